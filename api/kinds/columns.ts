/**
 * Printer columns and cells that several kinds share. What a cell says is what people read with `kubectl get`, so its
 * words (`<none>`, `<unknown>`, `<unset>`) are those of Kubernetes.
 */
import { ageOf } from '#machinery/values/duration.ts';
import type { Column } from '../kind.ts';
import type { ApiObject, PodTemplateSpec } from '../objects.ts';

/** The column that holds the object's name; always the first but for events. */
export const nameColumn: Column<ApiObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique among those of its kind in its namespace.',
  priority: 0,
  cell: (object) => object.metadata.name,
};

/** Time since the object was made. */
export const ageColumn: Column<ApiObject> = {
  name: 'Age',
  type: 'string',
  description: 'How long ago the server made the object.',
  priority: 0,
  cell: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

/** The moment the object was made, as RBAC roles show it in place of an age. */
export const createdAtColumn: Column<ApiObject> = {
  name: 'Created At',
  type: 'date',
  description: 'When the server made the object.',
  priority: 0,
  cell: (object) => object.metadata.creationTimestamp ?? '<unknown>',
};

/** A column that is always shown. */
export function column<T>(
  name: string,
  type: Column<T>['type'],
  description: string,
  cell: Column<T>['cell'],
): Column<T> {
  return { name, type, description, priority: 0, cell };
}

/** A column that only `-o wide` shows. */
export function wideColumn<T>(
  name: string,
  type: Column<T>['type'],
  description: string,
  cell: Column<T>['cell'],
): Column<T> {
  return { name, type, description, priority: 1, cell };
}

/** The Containers and Images columns of everything that has a pod template. */
export function templateColumns<T extends ApiObject>(
  template: (object: T) => PodTemplateSpec | undefined,
): Column<T>[] {
  const containers = (object: T) => template(object)?.spec?.containers ?? [];
  return [
    wideColumn('Containers', 'string', 'Names of the containers in the template.', (object) =>
      containers(object)
        .map((container) => container.name)
        .join(','),
    ),
    wideColumn('Images', 'string', 'Images of the containers in the template.', (object) =>
      containers(object)
        .map((container) => container.image ?? '')
        .join(','),
    ),
  ];
}

/** Whether a volume is a file system or a bare device. */
export function volumeModeColumn<T>(mode: (object: T) => string | undefined): Column<T> {
  return wideColumn(
    'VolumeMode',
    'string',
    'A file system or a block device.',
    (object) => mode(object) ?? '<unset>',
  );
}

/** `<none>` for what is missing or empty. */
export function orNone(text: string | undefined): string {
  return text || '<none>';
}

/** `a=1,b=2` in order of keys, `<none>` without any: the text of a plain map of labels. */
export function labelsText(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return orNone(entries.map(([key, value]) => `${key}=${value}`).join(','));
}

/** The first `max` of `items` with commas, and how many more there are; `empty` without any. */
export function listText(items: readonly string[], max: number, empty: string): string {
  if (items.length === 0) return empty;
  const shown = items.slice(0, max).join(',');
  return items.length > max ? `${shown} + ${items.length - max} more...` : shown;
}
