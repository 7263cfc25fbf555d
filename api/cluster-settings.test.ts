import { expect, test } from 'vitest';
import {
  type ClusterSettings,
  clusterSettingsData,
  DEFAULT_VXLAN,
  NODE_GRACE_MS,
  parseClusterSettings,
  parseVxlanSettings,
} from './cluster-settings.ts';

const SETTINGS: ClusterSettings = {
  podCidr: '10.9.0.0/16',
  serviceCidr: '10.96.0.0/16',
  nodePortRange: { from: 30000, to: 30100 },
  nodeGraceMs: 5_000,
  vxlan: { id: 7, port: 4790 },
};

test('what a server writes is what a node reads', () => {
  expect(parseClusterSettings(clusterSettingsData(SETTINGS))).toEqual(SETTINGS);
});

test('what a server of before did not say has its default', () => {
  const { nodeGracePeriod: _, vxlan: __, ...old } = clusterSettingsData(SETTINGS);
  const defaults = { nodeGraceMs: NODE_GRACE_MS, vxlan: DEFAULT_VXLAN };
  expect(parseClusterSettings(old)).toEqual({ ...SETTINGS, ...defaults });
});

test('nonsense is refused', () => {
  for (const [name, value] of Object.entries({ podCidr: '10', nodePortRange: '9-1', vxlan: '1' }))
    expect(() => parseClusterSettings({ ...clusterSettingsData(SETTINGS), [name]: value }), name).toThrow(
      'kube-system/gantry-cluster does not hold',
    );
  for (const text of ['', '1', '0:8472', '1:0', '16777216:1', '1:65536', '1:8472:1', 'a:b'])
    expect(parseVxlanSettings(text), text).toBeUndefined();
  expect(parseVxlanSettings('16777215:65535')).toEqual({ id: 16777215, port: 65535 });
});
