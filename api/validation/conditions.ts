/** Conditions of a status. Source: Kubernetes API conventions, metav1.Condition. */
import type { PodDisruptionBudget } from '../objects.ts';
import type { Faults } from './faults.ts';
import { conditionReasonFaults, qualifiedNameFaults } from './names.ts';

/** metav1.Condition, as most statuses have it. */
type Condition = NonNullable<NonNullable<PodDisruptionBudget['status']>['conditions']>[number];

const STATUSES = ['False', 'True', 'Unknown'];
const REASON_MAX_BYTES = 1024;
const MESSAGE_MAX_BYTES = 32 * 1024;

export function checkConditions(
  conditions: readonly Condition[] | undefined,
  field: string,
  faults: Faults,
): void {
  const types = new Set<string>();
  for (const [index, condition] of (conditions ?? []).entries()) {
    const { type = '', status = '', reason, message = '', observedGeneration = 0 } = condition;
    const at = `${field}[${index}]`;
    if (types.has(type)) faults.duplicate(`${at}.type`, type);
    types.add(type);
    faults.invalidFor(`${at}.type`, type, qualifiedNameFaults(type));
    if (!STATUSES.includes(status)) faults.notSupported(`${at}.status`, status, STATUSES);
    if (observedGeneration < 0) {
      faults.invalid(`${at}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero');
    }
    if (!condition.lastTransitionTime) faults.required(`${at}.lastTransitionTime`, 'must be set');
    if (!reason) faults.required(`${at}.reason`, 'must be set');
    else faults.invalidFor(`${at}.reason`, reason, conditionReasonFaults(reason));
    if (Buffer.byteLength(reason ?? '') > REASON_MAX_BYTES) faults.tooLong(`${at}.reason`, REASON_MAX_BYTES);
    if (Buffer.byteLength(message) > MESSAGE_MAX_BYTES) faults.tooLong(`${at}.message`, MESSAGE_MAX_BYTES);
  }
}
