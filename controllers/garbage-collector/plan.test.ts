import { describe, expect, it } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { type ApiObject, keyOf, type OwnerReference } from '#api/objects.ts';
import { FOREGROUND, type Graph, ORPHAN, planGarbage } from './plan.ts';

const POD = PodKind as unknown as Kind;
const SET = ReplicaSetKind as unknown as Kind;

function object(kind: string, name: string, edit: Partial<ApiObject['metadata']> = {}): ApiObject {
  const apiVersion = kind === 'Pod' ? 'v1' : 'apps/v1';
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: 'ns', uid: `uid-${name}`, resourceVersion: '7', ...edit },
  };
}

const owner = (name: string, edit: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name,
  uid: `uid-${name}`,
  blockOwnerDeletion: true,
  ...edit,
});

const going = (finalizer: string) => ({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [finalizer] });

function plan(kind: Kind, of: ApiObject, others: ApiObject[] = []) {
  const kindNamed = (name: string) => (name === 'Pod' ? POD : name === 'ReplicaSet' ? SET : undefined);
  const graph: Graph = {
    kindOf: (reference) => kindNamed(reference.kind),
    get: (wanted, key) => others.find((one) => one.kind === wanted.kind && keyOf(one) === key),
    dependentsOf: (uid) =>
      others
        .filter((one) => one.metadata.ownerReferences?.some((reference) => reference.uid === uid))
        .map((one) => ({ kind: kindNamed(one.kind)!, object: one })),
  };
  return planGarbage(kind, of, graph);
}

describe('an object with owners', () => {
  it('stays while one of them is there', () => {
    const pod = object('Pod', 'p', { ownerReferences: [owner('web')] });
    expect(plan(POD, pod, [object('ReplicaSet', 'web')])).toEqual([]);
  });

  it('goes when none is left, after the server has confirmed it', () => {
    const pod = object('Pod', 'p', { ownerReferences: [owner('web')] });
    expect(plan(POD, pod)).toMatchObject([
      {
        do: 'delete',
        key: 'ns/p',
        options: { uid: 'uid-p', propagation: 'Background' },
        checks: [{ is: 'gone', key: 'ns/web', uid: 'uid-web' }],
      },
    ]);
  });

  it('is not owned by another object of the same name', () => {
    const pod = object('Pod', 'p', { ownerReferences: [owner('web')] });
    expect(plan(POD, pod, [object('ReplicaSet', 'web', { uid: 'later' })])).toMatchObject([{ do: 'delete' }]);
  });

  it('forgets the owner that is gone when another remains', () => {
    const pod = object('Pod', 'p', { ownerReferences: [owner('web'), owner('gone')] });
    expect(plan(POD, pod, [object('ReplicaSet', 'web')])).toMatchObject([
      { do: 'patch', patch: { body: { metadata: { ownerReferences: [{ name: 'web' }] } } } },
    ]);
  });

  it('stays when nobody here knows the kind of its owner', () => {
    const pod = object('Pod', 'p', {
      ownerReferences: [owner('x', { kind: 'Widget', apiVersion: 'example.com/v1' })],
    });
    expect(plan(POD, pod)).toEqual([]);
  });

  it('goes when its owner waits for it', () => {
    const pod = object('Pod', 'p', { ownerReferences: [owner('web')] });
    expect(plan(POD, pod, [object('ReplicaSet', 'web', going(FOREGROUND))])).toMatchObject([
      { do: 'delete' },
    ]);
  });
});

describe('an owner that is being deleted', () => {
  const pod = object('Pod', 'p', { ownerReferences: [owner('web')] });

  it('in the foreground deletes its dependents and waits for them', () => {
    const set = object('ReplicaSet', 'web', going(FOREGROUND));
    expect(plan(SET, set, [pod, set])).toMatchObject([{ do: 'delete', key: 'ns/p' }]);
    const ending = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: 'now' } };
    expect(plan(SET, set, [ending, set])).toEqual([]);
    expect(plan(SET, set, [set])).toMatchObject([
      { do: 'patch', patch: { body: { metadata: { finalizers: [] } } } },
    ]);
  });

  it('does not wait for those that do not block it', () => {
    const set = object('ReplicaSet', 'web', going(FOREGROUND));
    const loose = object('Pod', 'p', { ownerReferences: [owner('web', { blockOwnerDeletion: false })] });
    expect(plan(SET, set, [loose, set])).toMatchObject([{ do: 'patch', key: 'ns/web' }]);
  });

  it('as an orphaner lets go of its dependents first', () => {
    const set = object('ReplicaSet', 'web', going(ORPHAN));
    expect(plan(SET, set, [pod, set])).toMatchObject([
      { do: 'patch', key: 'ns/p', patch: { body: { metadata: { ownerReferences: [] } } } },
    ]);
    expect(plan(SET, set, [set])).toMatchObject([{ do: 'patch', key: 'ns/web' }]);
  });
});
