/** Disruption budgets. Source: Kubernetes API reference, PodDisruptionBudget. */
import type { PodDisruptionBudget } from '../objects.ts';
import { checkConditions } from './conditions.ts';
import type { Faults } from './faults.ts';
import { checkLabelSelector } from './object-meta.ts';
import { checkCountOrPercent, notMoreThanAll } from './workload.ts';

const UNHEALTHY_POLICIES = ['AlwaysAllow', 'IfHealthyBudget'];

export function checkDisruptionBudget(budget: PodDisruptionBudget, faults: Faults): void {
  const spec = budget.spec ?? {};
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
    faults.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set');
  }
  for (const part of ['minAvailable', 'maxUnavailable'] as const) {
    const value = spec[part];
    if (value === undefined) continue;
    checkCountOrPercent(value, `spec.${part}`, faults);
    notMoreThanAll(value, `spec.${part}`, faults);
  }
  checkLabelSelector(spec.selector, 'spec.selector', faults);
  const policy = spec.unhealthyPodEvictionPolicy;
  if (policy !== undefined && !UNHEALTHY_POLICIES.includes(policy)) {
    faults.notSupported('spec.unhealthyPodEvictionPolicy', policy, UNHEALTHY_POLICIES);
  }
}

export function checkDisruptionBudgetStatus(budget: PodDisruptionBudget, faults: Faults): void {
  const { status } = budget;
  checkConditions(status?.conditions, 'status.conditions', faults);
  faults.notNegative('status.disruptionsAllowed', status?.disruptionsAllowed);
  faults.notNegative('status.currentHealthy', status?.currentHealthy);
  faults.notNegative('status.desiredHealthy', status?.desiredHealthy);
  faults.notNegative('status.expectedPods', status?.expectedPods);
}
