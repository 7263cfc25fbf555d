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

/**
 * Objects of `kind` that a change of an object of `other` concerns: its owners, and its dependents once it goes. Asked for
 * each change by the collector of every kind: most changes concern none of them, and must cost next to nothing.
 */
function wakeOf(kind: Kind, other: Kind): Wake {
  return {
    kind: other,
    keys(changed, anyView): readonly ObjectKey[] {
      const view = anyView as unknown as View<readonly Kind[]>;
      const { uid = '', deletionTimestamp, ownerReferences } = changed.metadata;
      const dependents = view.dependents(kind, uid);
      if (!ownerReferences && dependents.length === 0) return NONE;
      const owners = (ownerReferences ?? []).filter((owner) => kindOf(owner) === kind);
      const woken = owners.map((owner) => ownerKey(kind, changed, owner));
      if (dependents.length === 0) return woken;
      const here = view.get(other, keyOf(changed)) as ApiObject | undefined;
      if (!deletionTimestamp && here?.metadata.uid === uid) return woken;
      return [...woken, ...dependents.map((dependent) => keyOf(dependent as ApiObject))];
    },
  };
}

const NONE: readonly ObjectKey[] = [];
