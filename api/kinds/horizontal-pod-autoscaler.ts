import { defaultAutoscaler } from '../defaults/autoscaler.ts';
import type { Kind } from '../kind.ts';
import type { HorizontalPodAutoscaler } from '../objects.ts';
import { checkAutoscaler, checkAutoscalerStatus } from '../validation/autoscaling.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { metricsText } from './metrics-text.ts';
import { strategyOf } from './strategy.ts';

/** Keeps the number of replicas of a workload between two bounds, by what it measures. */
export const HorizontalPodAutoscalerKind: Kind<HorizontalPodAutoscaler> = {
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  subresources: { status: true },
  strategy: strategyOf<HorizontalPodAutoscaler>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultAutoscaler,
    prepareForCreate(autoscaler) {
      autoscaler.status = { desiredReplicas: 0 };
    },
    check: checkAutoscaler,
    checkStatus: (autoscaler, _old, faults) => checkAutoscalerStatus(autoscaler, faults),
  }),
  columns: [
    nameColumn,
    column('Reference', 'string', 'What it scales.', ({ spec }) => {
      const { kind = '', name = '' } = spec?.scaleTargetRef ?? {};
      return `${kind}/${name}`;
    }),
    column('Targets', 'string', 'What is measured, of what it should be.', ({ spec, status }) =>
      metricsText(spec?.metrics ?? [], status?.currentMetrics ?? []),
    ),
    column('MinPods', 'string', 'The lower bound.', ({ spec }) => spec?.minReplicas?.toString() ?? '<unset>'),
    column('MaxPods', 'string', 'The upper bound.', ({ spec }) => spec?.maxReplicas ?? 0),
    column('Replicas', 'string', 'Replicas that it saw last.', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn,
  ],
};
