import { expect, it } from 'vitest';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { makeNamespace } from '../framework/worlds.ts';
import { serviceAccountController } from './controller.ts';

const scene: Scene = {
  roster: [serviceAccountController],
  async arrange(cluster) {
    await makeNamespace(cluster);
    await makeNamespace(cluster, 'going');
    await cluster.client.delete(NamespaceKind, { name: 'going' });
  },
};

it('every namespace that stays has its account, whichever step fails', async () => {
  await failEveryStepOnce(scene, (cluster) => {
    const accounts = cluster
      .all(ServiceAccountKind)
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    expect(accounts).toEqual(['default/default']);
  });
});

it('an account that is deleted comes back', () =>
  inLab(scene, async ({ cluster, settle }) => {
    await cluster.client.delete(ServiceAccountKind, { namespace: 'default', name: 'default' });
    await settle(1000);
    expect(cluster.all(ServiceAccountKind)).toHaveLength(1);
  }));
