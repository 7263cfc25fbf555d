/** metadata.managedFields: who owns which fields, read and written. Source: Kubernetes API, metav1.ManagedFieldsEntry. */
import { isObject, type JsonObject } from '../schema/model.ts';
import { type FieldSet, formatFields, type PathText, parseFields } from './field-set.ts';

export interface FieldManager {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  /** RFC 3339. */
  time: string | undefined;
  fields: Set<PathText>;
}

/** The managers in an object's metadata; entries that cannot be read are left out. */
export function readManagers(object: JsonObject | undefined): FieldManager[] {
  const metadata = object?.['metadata'];
  const entries = isObject(metadata) ? metadata['managedFields'] : undefined;
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry) => {
    if (!isObject(entry)) return [];
    const { manager, operation, apiVersion, subresource, time } = entry;
    const fields = parseFields(entry['fieldsV1']);
    if (!fields || (operation !== 'Apply' && operation !== 'Update')) return [];
    return {
      manager: String(manager ?? ''),
      operation,
      apiVersion: String(apiVersion ?? ''),
      subresource: String(subresource ?? ''),
      time: typeof time === 'string' ? time : undefined,
      fields,
    };
  });
}

/** As many managers of the operation Update are kept apart; older ones become one. */
const MAX_UPDATERS = 10;
const ANCIENT = 'ancient-changes';

/** The entries for the managers that still own something: appliers first, then by time and name. */
export function writeManagers(managers: readonly FieldManager[]): JsonObject[] {
  const owning = mergeAncient(managers.filter(({ fields }) => fields.size > 0));
  const rank = ({ operation, time, manager }: FieldManager) =>
    `${operation === 'Apply' ? 0 : 1}${operation === 'Apply' ? '' : (time ?? '')}\0${manager}`;
  return owning
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time !== undefined && { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: formatFields(fields),
      ...(subresource && { subresource }),
    }));
}

function mergeAncient(managers: FieldManager[]): FieldManager[] {
  const updaters = managers.filter(({ operation }) => operation === 'Update');
  const excess = updaters.length - MAX_UPDATERS;
  if (excess <= 0) return managers;
  const byAge = [...updaters].sort((a, b) => ((a.time ?? '') < (b.time ?? '') ? -1 : 1));
  const old = new Set(byAge.slice(0, excess + 1));
  const last = [...old].at(-1)!;
  const fields = new Set([...old].flatMap((manager) => [...manager.fields]));
  return [
    ...managers.filter((manager) => !old.has(manager)),
    { ...last, manager: ANCIENT, subresource: '', fields },
  ];
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
export function showManager({ manager, operation, subresource, apiVersion, time }: FieldManager): string {
  const name =
    JSON.stringify(manager) + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : '');
  if (operation === 'Apply') return name;
  return `${name} using ${apiVersion}${time === undefined ? '' : ` at ${time}`}`;
}

/** Takes the fields that `gone` names out of a manager's. */
export function disown(manager: FieldManager, gone: FieldSet): void {
  for (const path of gone) manager.fields.delete(path);
}
