import { describe, expect, it } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import type { Pod, Secret } from '#api/objects.ts';
import { defineController, wakeController } from './define.ts';

describe('a declaration', () => {
  it('bounds at compile time what a plan may read and write', () => {
    const controller = defineController({
      name: 'typed-controller',
      for: ReplicaSetKind,
      reads: [PodKind],
      writes: [PodKind],
      wakes: [wakeController(PodKind, ReplicaSetKind)],
      plan(_key, _set, view) {
        const pods: readonly Pod[] = view.list(PodKind);
        view.get(ReplicaSetKind, 'ns/name')?.spec?.replicas;
        // @ts-expect-error Secrets were not declared as read
        view.list(SecretKind);
        // @ts-expect-error a list of pods holds no secrets
        const secrets: readonly Secret[] = view.list(PodKind);
        expect(secrets).toBe(pods);
        const why = { reason: 'Test', message: 'test' };
        return { actions: pods.map((object) => ({ do: 'create', kind: PodKind, object, why })) };
      },
    });
    expect(controller.reads).toEqual([PodKind]);
  });

  it('does not take a plan that writes what was not declared', () => {
    const declaration = {
      name: 'n',
      for: ReplicaSetKind,
      reads: [PodKind],
      writes: [PodKind],
      wakes: [],
    } as const;
    const why = { reason: 'Test', message: 'test' };
    const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } };
    defineController({
      ...declaration,
      // @ts-expect-error Secrets are not declared as written
      plan: () => ({ actions: [{ do: 'create', kind: SecretKind, object: secret, why }] }),
    });
    defineController({
      ...declaration,
      // @ts-expect-error ReplicaSets are read only
      plan: (_key, set) => ({ actions: [{ do: 'updateStatus', kind: ReplicaSetKind, object: set!, why }] }),
    });
    defineController({
      ...declaration,
      // @ts-expect-error a secret is not a pod
      plan: () => ({ actions: [{ do: 'create', kind: PodKind, object: secret, why }] }),
    });
  });

  it('wakes the controller of an object, and nobody for an owner of another kind', () => {
    const wake = wakeController(PodKind, ReplicaSetKind);
    const pod = (apiVersion: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'p',
        namespace: 'ns',
        ownerReferences: [{ apiVersion, kind: 'ReplicaSet', name: 'web', uid: 'u', controller: true }],
      },
    });
    const view = undefined as never;
    expect([...wake.keys(pod('apps/v1'), view)]).toEqual(['ns/web']);
    expect([...wake.keys(pod('other/v1'), view)]).toEqual([]);
  });
});
