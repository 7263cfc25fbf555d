import type { Kind } from '../kind.ts';
import type { PriorityClass } from '../objects.ts';
import type { Faults } from '../validation/faults.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

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
  strategy: strategyOf<PriorityClass>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(priorityClass) {
      priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
    },
    check: checkPriorityClass,
    checkUpdate(priorityClass, old, faults) {
      if (priorityClass.value !== old.value) faults.forbidden('value', 'may not be changed in an update.');
      faults.immutable('preemptionPolicy', priorityClass.preemptionPolicy, old.preemptionPolicy);
    },
  }),
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

/** Above it only the classes that ship with the system. */
const USER_MAX = 1_000_000_000;

const SYSTEM_CLASSES = new Map([
  ['system-cluster-critical', 2_000_000_000],
  ['system-node-critical', 2_000_001_000],
]);

function checkPriorityClass(priorityClass: PriorityClass, faults: Faults): void {
  const { name } = priorityClass.metadata;
  if (name?.startsWith('system-')) {
    const fault = systemFault(name, priorityClass);
    if (fault) {
      const rule = "priority class names with 'system-' prefix are reserved for system use only";
      faults.forbidden('metadata.name', `${rule}. error: ${fault}`);
    }
  } else if ((priorityClass.value ?? 0) > USER_MAX) {
    faults.forbidden('value', `maximum allowed value of a user defined priority is ${USER_MAX}`);
  }
  faults.oneOf('preemptionPolicy', priorityClass.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
}

/** How a class differs from the one of the system that has its name. */
function systemFault(name: string, { value, globalDefault }: PriorityClass): string | undefined {
  const known = SYSTEM_CLASSES.get(name);
  if (known === undefined) return `${name} is not a known system priority class`;
  if (value !== known) return `value of ${name} PriorityClass must be ${known}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
