import { describe, expect, it } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Namespace } from '#api/objects.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { fresh, makeNamespace, markRunning, pod, runPods } from '../framework/worlds.ts';
import { namespaceController } from './controller.ts';
import { GRACE_MS, planNamespace } from './plan.ts';

const MAP = ConfigMapKind as unknown as Kind;

const namespace = (edit: Partial<Namespace['metadata']> = {}): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'ns', ...edit },
  spec: { finalizers: ['kubernetes'] },
});
const going = { deletionTimestamp: '2026-01-01T00:00:00Z' };
const map = (edit = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'm', namespace: 'ns', uid: 'u', ...edit },
});

describe('the plan of a namespace', () => {
  const plan = (of: Namespace, content: object[], knownMs = GRACE_MS) =>
    planNamespace(of, [MAP], () => content as never, knownMs).actions;

  it('is nothing while nobody deletes it', () => {
    expect(plan(namespace(), [map()])).toEqual([]);
  });

  it('deletes what is in it, and waits for what is going already', () => {
    expect(plan(namespace(going), [map(), map(going)])).toMatchObject([{ do: 'delete', key: 'ns/m' }]);
    expect(plan(namespace(going), [map(going)])).toEqual([]);
  });

  it('leaves a client that deletes one object after the other the time to do so', () => {
    const early = planNamespace(namespace(going), [MAP], () => [map()] as never, 100);
    expect(early).toEqual({ actions: [], againAfterMs: GRACE_MS - 100 });
    expect(plan(namespace(going), [], 100)).toHaveLength(1);
  });

  it('lets it go when it is empty, which the server must confirm', () => {
    expect(plan(namespace(going), [])).toMatchObject([
      {
        do: 'update',
        subresource: 'finalize',
        object: { spec: { finalizers: [] } },
        checks: [{ is: 'empty', namespace: 'ns' }],
      },
    ]);
  });
});

const scene: Scene = {
  roster: [namespaceController],
  settleMs: 30_000,
  async arrange(cluster) {
    await makeNamespace(cluster);
    await makeNamespace(cluster, 'other');
    for (const space of ['default', 'other']) {
      const one = pod('p', {});
      one.metadata.namespace = space;
      markRunning(cluster, await cluster.client.create(PodKind, fresh(one)));
    }
    await cluster.client.create(ConfigMapKind, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm', namespace: 'default' },
    });
    await cluster.client.delete(NamespaceKind, { name: 'default' });
  },
  world: (cluster) => runPods(cluster),
};

describe('the namespace controller', () => {
  it('empties a namespace and lets it go whichever step fails, and touches no other', async () => {
    await failEveryStepOnce(scene, (cluster) => {
      expect(cluster.all(NamespaceKind).map(({ metadata }) => metadata.name)).toEqual(['other']);
      expect(cluster.all(PodKind).map(({ metadata }) => metadata.namespace)).toEqual(['other']);
    });
  });

  it('keeps a namespace while something in it is held', () =>
    inLab(
      {
        ...scene,
        async arrange(cluster) {
          await scene.arrange(cluster);
          cluster.change(ConfigMapKind, { namespace: 'default', name: 'm' }, (one) => {
            one.metadata.finalizers = ['test/hold'];
          });
        },
      },
      async ({ cluster, settle }) => {
        expect(cluster.all(NamespaceKind)).toHaveLength(2);
        await cluster.client.patch(
          ConfigMapKind,
          { namespace: 'default', name: 'm' },
          { type: 'merge', body: { metadata: { finalizers: null } } },
        );
        await settle(20_000);
        expect(cluster.all(NamespaceKind)).toHaveLength(1);
      },
    ));
});
