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

it('the CA is what cluster-info says, in every namespace, when the servers have another one', () =>
  inLab(scene, async ({ cluster, settle }) => {
    await makeNamespace(cluster, 'shop');
    const tell = (pem: string) => ({
      ...{
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'cluster-info', namespace: 'kube-public' },
      },
      data: {
        kubeconfig: `clusters:\n- cluster:\n    certificate-authority-data: ${Buffer.from(pem).toString('base64')}\n`,
      },
    });
    const made = await cluster.client.create(ConfigMapKind, tell('OTHER'));
    await settle(2000);
    for (const namespace of ['default', 'shop'])
      expect(cluster.get(ConfigMapKind, { ...ref, namespace })?.data).toEqual({ 'ca.crt': 'OTHER' });
    await cluster.client.update(ConfigMapKind, { ...made, data: { kubeconfig: 'none' } });
    await settle(2000);
    expect(cluster.get(ConfigMapKind, ref)?.data).toEqual({ 'ca.crt': 'PEM' });
  }));
