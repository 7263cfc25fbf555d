import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { matchesFieldSelector, parseFieldSelector } from '#machinery/values/field-selector.ts';
import { matchesSelector, parseSelector } from '#machinery/values/selector.ts';

/** A label selector as a function. */
export function labelsOf(selector: string | undefined): (object: ApiObject) => boolean {
  if (!selector) return () => true;
  const parsed = parseSelector(selector);
  return (object) => matchesSelector(parsed, object.metadata.labels);
}

/** A field selector over what the kind declares as selectable, as a function. */
export function fieldsOf<T extends ApiObject>(
  kind: Kind<T>,
  selector: string | undefined,
): (object: T) => boolean {
  if (!selector) return () => true;
  const parsed = parseFieldSelector(selector);
  return (object) => matchesFieldSelector(parsed, (field) => fieldValue(kind, object, field));
}

function fieldValue<T extends ApiObject>(kind: Kind<T>, object: T, field: string): string {
  if (field === 'metadata.name') return object.metadata.name;
  if (field === 'metadata.namespace') return object.metadata.namespace ?? '';
  return kind.selectableFields?.[field]?.(object) ?? '';
}
