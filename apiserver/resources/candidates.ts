import type { Interest } from '../cache/dispatch.ts';
import type { CacheItem } from '../cache/item.ts';
import type { Scope } from './scope.ts';
import type { Selection } from './selection.ts';

/**
 * The items under the scope that a selection can hold of, after a key and in order of key. Found by name or by an index
 * where the selection names a value, so that it costs what it gives; the selection must still be asked about each.
 */
export function candidatesOf(scope: Scope, selection: Selection, after = ''): CacheItem[] {
  const { stored, namespace, parts } = scope;
  const { cache, keys } = parts.storage;
  const resource = cache.of(stored);
  const prefix = keys.prefix(stored, namespace);
  if (selection.name !== undefined && (namespace || !stored.namespaced)) {
    const item = resource.get(keys.object(stored, namespace, selection.name));
    return item && item.key > after ? [item] : [];
  }
  for (const { field, operator, value } of (!scope.kind.storedAs && selection.fields) || []) {
    const found = operator === '=' && value ? resource.having(field, value) : undefined;
    if (found) return found.filter(({ key }) => key > after && key.startsWith(prefix));
  }
  return resource.under(prefix, after);
}

/** What events must be about to concern a watcher of a selection: the value that is likely to be rarest. */
export function interestOf(scope: Scope, selection: Selection): Interest | undefined {
  const { name } = selection;
  if (name !== undefined) return { attribute: 'name', value: name, read: (item) => item.name };
  // Fields of a view are not those of the stored object.
  const field =
    !scope.kind.storedAs &&
    selection.fields?.find(({ field, operator }) => operator === '=' && field !== 'metadata.namespace');
  if (field)
    return {
      attribute: `field ${field.field}`,
      value: field.value,
      read: (item) => item.fields?.[field.field] ?? '',
    };
  const label = selection.labels?.find(({ operator }) => operator === '=');
  if (label)
    return {
      attribute: `label ${label.key}`,
      value: label.values[0]!,
      read: (item) => item.labels?.[label.key],
    };
  const { namespace } = scope;
  if (namespace) return { attribute: 'namespace', value: namespace, read: (item) => item.namespace };
  return undefined;
}
