import { expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { makeNamespace } from '../framework/worlds.ts';
import { rootCaController } from './controller.ts';

const ref = { namespace: 'default', name: 'kube-root-ca.crt' };
const scene: Scene = { roster: [rootCaController('PEM')], arrange: (cluster) => makeNamespace(cluster) };

it('every namespace holds the CA, whichever step fails', async () => {
  await failEveryStepOnce(scene, (cluster) => {
    expect(cluster.get(ConfigMapKind, ref)?.data).toEqual({ 'ca.crt': 'PEM' });
  });
});

it('a CA that was changed is put right', () =>
  inLab(scene, async ({ cluster, settle }) => {
    cluster.change(ConfigMapKind, ref, (map) => {
      map.data = { 'ca.crt': 'FORGED', more: 'x' };
    });
    await settle(1000);
    expect(cluster.get(ConfigMapKind, ref)?.data).toEqual({ 'ca.crt': 'PEM' });
  }));
