import { type Kind, resourceName } from '#api/kind.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { type ApiObject, keyOf, type Namespace } from '#api/objects.ts';
import type { AnyAction, Check } from '../framework/contract.ts';

const FINALIZER = 'kubernetes';
/** Content that stays (pods that end slowly, finalizers of others) is looked at again after this time at the latest. */
const AGAIN_MS = 15_000;

/**
 * Nothing is taken out of the namespace this early: `kubectl delete -f` of a file that begins with a namespace deletes it,
 * then each object in it, and fails for one that is gone before its turn. Source: Kubernetes' namespace controller, which
 * waits five seconds.
 */
export const GRACE_MS = 1_500;

/**
 * Empties a namespace that is being deleted, and lets it go once the server itself says that nothing is left.
 * `knownMs`: for how long this version of it has been known.
 * Source: Kubernetes API conventions, namespace finalization.
 */
export function planNamespace(
  namespace: Namespace,
  kinds: readonly Kind[],
  contentOf: (kind: Kind) => readonly ApiObject[],
  knownMs: number,
): { actions: AnyAction[]; againAfterMs?: number } {
  if (!namespace.metadata.deletionTimestamp || !namespace.spec?.finalizers?.includes(FINALIZER))
    return { actions: [] };
  const actions: AnyAction[] = [];
  let remaining = 0;
  for (const kind of kinds) {
    for (const object of contentOf(kind)) {
      remaining++;
      if (!object.metadata.deletionTimestamp) actions.push(deletion(kind, object));
    }
  }
  if (actions.length > 0 && knownMs < GRACE_MS) return { actions: [], againAfterMs: GRACE_MS - knownMs };
  if (remaining > 0) return { actions, againAfterMs: AGAIN_MS };
  const finalizers = namespace.spec.finalizers.filter((name) => name !== FINALIZER);
  const checks = kinds.map((kind): Check => ({ is: 'empty', kind, namespace: namespace.metadata.name }));
  const object = { ...namespace, spec: { ...namespace.spec, finalizers } };
  const why = { reason: 'NamespaceEmpty', message: 'nothing is left in it' };
  return {
    actions: [
      { do: 'update', kind: NamespaceKind as unknown as Kind, object, subresource: 'finalize', checks, why },
    ],
  };
}

function deletion(kind: Kind, object: ApiObject): AnyAction {
  const why = {
    reason: 'NamespaceDeleted',
    message: `the namespace of this ${resourceName(kind)} is deleted`,
  };
  const options = { uid: object.metadata.uid, propagation: 'Background' as const };
  return { do: 'delete', kind, key: keyOf(object), options, together: true, why };
}
