import { apiVersionOf, type Kind } from '#api/kind.ts';
import { KINDS } from '#api/kinds/index.ts';
import { type ApiObject, keyOf, type ObjectKey, type OwnerReference } from '#api/objects.ts';
import type { AnyController, View, Wake } from '../framework/contract.ts';
import { defineController } from '../framework/define.ts';
import { type Graph, ownerKey, planGarbage } from './plan.ts';

/** Kinds with owners or dependents. Events have neither, and are many. */
const COLLECTED: readonly Kind[] = KINDS.filter(
  ({ kind, virtual, storedAs, verbs }) =>
    kind !== 'Event' &&
    !virtual &&
    !storedAs &&
    (!verbs || (verbs.includes('list') && verbs.includes('delete'))),
);

const byType = new Map(COLLECTED.map((kind) => [`${apiVersionOf(kind)} ${kind.kind}`, kind]));

function kindOf(owner: OwnerReference): Kind | undefined {
  return byType.get(`${owner.apiVersion} ${owner.kind}`);
}

/** One controller per kind: what it does to an object depends on objects of every kind. */
export const garbageCollectors: readonly AnyController[] = COLLECTED.map((kind) =>
  defineController({
    name: 'generic-garbage-collector',
    for: kind,
    reads: COLLECTED,
    writes: COLLECTED,
    wakes: COLLECTED.map((other) => wakeOf(kind, other)),
    content: () => false,
    plan(_key, object, view) {
      return { actions: object ? planGarbage(kind, object, graphOf(view)) : [] };
    },
  }),
);

function graphOf(view: View<readonly Kind[]>): Graph {
  return {
    kindOf,
    get: (kind, key) => view.get(kind, key) as ApiObject | undefined,
    dependentsOf: (uid) =>
      COLLECTED.flatMap((kind) =>
        view.dependents(kind, uid).map((object) => ({ kind, object: object as ApiObject })),
      ),
  };
}

/** Objects of `kind` that a change of an object of `other` concerns: its owners, and its dependents once it goes. */
function wakeOf(kind: Kind, other: Kind): Wake {
  return {
    kind: other,
    *keys(changed, anyView): Iterable<ObjectKey> {
      for (const owner of changed.metadata.ownerReferences ?? [])
        if (kindOf(owner) === kind) yield ownerKey(kind, changed, owner);
      const view = anyView as unknown as View<readonly Kind[]>;
      const { uid, deletionTimestamp } = changed.metadata;
      const here = view.get(other, keyOf(changed)) as ApiObject | undefined;
      if (!deletionTimestamp && here?.metadata.uid === uid) return;
      for (const dependent of view.dependents(kind, uid ?? '')) yield keyOf(dependent as ApiObject);
    },
  };
}
