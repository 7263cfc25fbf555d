import { NodeKind } from '../kinds/node.ts';
import { RuntimeClassKind } from '../kinds/runtime-class.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const toleration = { key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 5 };

export const nodeSpecimens: readonly Specimen[] = [
  specimenOf(NodeKind, {
    'a node that takes no pods': {
      spec: {
        podCIDR: '10.244.0.0/24',
        podCIDRs: ['10.244.0.0/24', 'fd00:10:244::/64'],
        providerID: 'machine://1',
        unschedulable: true,
        taints: [{ key: 'a', value: 'b', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }],
        externalID: '1',
      },
    },
  }),
  specimenOf(RuntimeClassKind, {
    'a class with a cost and nodes of its own': {
      handler: 'sandbox',
      overhead: { podFixed: { cpu: '250m', memory: '64Mi' } },
      scheduling: { nodeSelector: { sandbox: 'yes' }, tolerations: [toleration] },
    },
  }),
];
