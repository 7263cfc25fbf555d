/** metadata.managedFields: who owns which fields, read and written. Source: Kubernetes API, metav1.ManagedFieldsEntry. */
import { isObject, type JsonObject } from '../schema/model.ts';
import { type FieldSet, isEmptySet, isFieldSet, union } from './field-set.ts';

export interface FieldManager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339. */
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

/** The managers in an object's metadata; undefined when one of the entries cannot be read. */
export function readManagers(object: JsonObject | undefined): FieldManager[] | undefined {
  const managers = entriesOf(object).map(readManager);
  return managers.includes(undefined) ? undefined : (managers as FieldManager[]);
}

/** The entries themselves, in whatever state. */
export function entriesOf(object: JsonObject | undefined): unknown[] {
  const metadata = object?.['metadata'];
  const entries = isObject(metadata) ? metadata['managedFields'] : undefined;
  return Array.isArray(entries) ? entries : [];
}

function readManager(entry: unknown): FieldManager | undefined {
  if (!isObject(entry)) return undefined;
  const { manager, operation, apiVersion, subresource, time, fieldsV1: fields = {} } = entry;
  if (!isFieldSet(fields) || (operation !== 'Apply' && operation !== 'Update')) return undefined;
  return {
    manager: String(manager ?? ''),
    operation,
    apiVersion: String(apiVersion ?? ''),
    subresource: String(subresource ?? ''),
    time: typeof time === 'string' ? time : undefined,
    fields,
  };
}

/** As many managers of the operation Update are kept apart; older ones become one. */
const MAX_UPDATERS = 10;
const ANCIENT = 'ancient-changes';

/** Sets the entries for the managers that still own something: appliers first, then by time and name. */
export function writeManagers(object: JsonObject, managers: readonly FieldManager[]): void {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  object['metadata'] = metadata;
  const owning = mergeAncient(managers.filter(({ fields }) => !isEmptySet(fields)));
  if (owning.length === 0) delete metadata['managedFields'];
  else metadata['managedFields'] = owning.sort(byRank).map(entryOf);
}

function entryOf({ manager, operation, apiVersion, time, fields, subresource }: FieldManager): JsonObject {
  return {
    manager,
    operation,
    apiVersion,
    ...(time !== undefined && { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
    ...(subresource && { subresource }),
  };
}

function byRank(a: FieldManager, b: FieldManager): number {
  for (const key of ['operation', 'time', 'manager', 'apiVersion', 'subresource'] as const) {
    const left = a[key] ?? '';
    const right = b[key] ?? '';
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** The oldest updaters of one version become one, until there are few enough. Source: apimachinery, managedfields capmanagers. */
function mergeAncient(managers: FieldManager[]): FieldManager[] {
  const updaters = managers.filter(({ operation }) => operation === 'Update').sort(byRank);
  const excess = updaters.length - MAX_UPDATERS;
  if (excess <= 0) return managers;
  const old = new Set(updaters.slice(0, excess + 1));
  const merged = new Map<string, FieldManager>();
  for (const { apiVersion, fields, time } of old) {
    const before = merged.get(apiVersion)?.fields ?? {};
    merged.set(apiVersion, {
      manager: ANCIENT,
      operation: 'Update',
      apiVersion,
      subresource: '',
      time,
      fields: union(before, fields),
    });
  }
  return [...managers.filter((manager) => !old.has(manager)), ...merged.values()];
}

/** The same manager: appliers do not depend on the version they wrote with. */
export function isSame(a: FieldManager, b: Omit<FieldManager, 'fields' | 'time'>): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** How messages name a manager. */
export function showManager({ manager, operation, subresource, apiVersion }: FieldManager): string {
  const name =
    JSON.stringify(manager) + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : '');
  return operation === 'Apply' ? name : `${name} using ${apiVersion}`;
}
