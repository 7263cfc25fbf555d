import type { Kind } from '#api/kind.ts';
import { KINDS } from '#api/kinds/index.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import type { ApiObject, Namespace } from '#api/objects.ts';
import type { View } from '../framework/contract.ts';
import { defineController } from '../framework/define.ts';
import { planNamespace } from './plan.ts';

/** Everything that can lie in a namespace and be deleted. */
const CONTENT: readonly Kind[] = KINDS.filter(
  ({ namespaced, virtual, storedAs, verbs }) =>
    namespaced && !virtual && !storedAs && (!verbs || (verbs.includes('list') && verbs.includes('delete'))),
);

/** Deleting much makes many changes: the namespace is looked at once per this time. */
const SPACING_MS = 100;

export const namespaceController = defineController({
  name: 'namespace-controller',
  for: NamespaceKind as unknown as Kind,
  reads: CONTENT,
  writes: [...CONTENT, NamespaceKind as unknown as Kind],
  wakes: CONTENT.map((kind) => ({ kind, keys: terminatingNamespace })),
  content: ({ kind }) => kind === NamespaceKind.kind,
  spacingMs: SPACING_MS,
  plan(key, namespace, view, now) {
    if (!namespace) return { actions: [] };
    const knownMs = now - (view.seenAt(NamespaceKind as unknown as Kind, key) ?? now);
    return planNamespace(namespace as Namespace, CONTENT, (kind) => view.list(kind, key), knownMs);
  },
});

/** Changes in namespaces that stay concern nobody here. */
function terminatingNamespace({ metadata }: ApiObject, view: View<readonly Kind<never>[]>): string[] {
  const name = metadata.namespace ?? '';
  const namespaces = view as unknown as View<readonly [typeof NamespaceKind]>;
  return namespaces.get(NamespaceKind, name)?.metadata.deletionTimestamp ? [name] : [];
}
