import type { Kind } from '../kind.ts';
import type { PriorityClass } from '../objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';

/** A name for a pod priority. */
export const PriorityClassKind: Kind<PriorityClass> = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  namespaced: false,
  schema: 'io.k8s.api.scheduling.v1.PriorityClass',
  strategy: {
    defaults(priorityClass) {
      priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
    },
    validate: () => [],
  },
  columns: [
    nameColumn,
    column('Value', 'string', 'The priority.', (priorityClass) => priorityClass.value ?? 0),
    column(
      'Global-Default',
      'boolean',
      'Whether pods without a class get it.',
      (priorityClass) => priorityClass.globalDefault ?? false,
    ),
    ageColumn,
    column(
      'PreemptionPolicy',
      'string',
      'Whether lower priorities give way.',
      (priorityClass) => priorityClass.preemptionPolicy ?? '',
    ),
  ],
};
