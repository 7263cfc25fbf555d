import type { Kind } from '../kind.ts';
import type { PodDisruptionBudget } from '../objects.ts';
import { isPathSegment } from '../validation/names.ts';
import { checkDisruptionBudget, checkDisruptionBudgetStatus } from '../validation/policy.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** How many pods of a set may be evicted at a time. Evictions obey its status, which the disruption controller keeps. */
export const PodDisruptionBudgetKind: Kind<PodDisruptionBudget> = {
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  namespaced: true,
  schema: 'io.k8s.api.policy.v1.PodDisruptionBudget',
  subresources: { status: true },
  strategy: strategyOf<PodDisruptionBudget>({
    namespaced: true,
    // Kubernetes checks the names of budgets for nothing but their fit into a path.
    name: isPathSegment,
    defaults(budget) {
      budget.spec ??= {};
      budget.status ??= emptyStatus();
      for (const count of COUNTS) budget.status[count] ??= 0;
    },
    prepareForCreate(budget) {
      budget.status = emptyStatus();
    },
    check: checkDisruptionBudget,
    checkStatus: (budget, _old, faults) => checkDisruptionBudgetStatus(budget, faults),
  }),
  columns: [
    nameColumn,
    column(
      'Min Available',
      'string',
      'Pods that must stay, as a number or a share.',
      ({ spec }) => spec?.minAvailable?.toString() ?? 'N/A',
    ),
    column(
      'Max Unavailable',
      'string',
      'Pods that may be away, as a number or a share.',
      ({ spec }) => spec?.maxUnavailable?.toString() ?? 'N/A',
    ),
    column(
      'Allowed Disruptions',
      'integer',
      'Pods that may be evicted now.',
      ({ status }) => status?.disruptionsAllowed ?? 0,
    ),
    ageColumn,
  ],
};

/** Written even when zero. */
const COUNTS = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;

function emptyStatus(): NonNullable<PodDisruptionBudget['status']> {
  return { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
}
