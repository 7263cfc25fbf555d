import type { HorizontalPodAutoscaler } from '../objects.ts';
import { withoutViewAnnotations } from '../semantics/autoscaler-annotations.ts';

type Rules = NonNullable<NonNullable<NonNullable<HorizontalPodAutoscaler['spec']>['behavior']>['scaleUp']>;

/** Of the CPU that pods request: where an autoscaler without metrics keeps them. */
const CPU_PERCENT = 80;

const PERIOD_SECONDS = 15;

/** As fast as Kubernetes scaled before there was a behavior: double, or four more, in every period. */
const UP: Rules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: PERIOD_SECONDS },
    { type: 'Percent', value: 100, periodSeconds: PERIOD_SECONDS },
  ],
};

/** The window is the controller's to choose. */
const DOWN: Rules = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: PERIOD_SECONDS }],
};

/** Source: Kubernetes API reference, HorizontalPodAutoscalerSpec (autoscaling/v2). */
export function defaultAutoscaler(autoscaler: HorizontalPodAutoscaler): void {
  autoscaler.metadata = withoutViewAnnotations(autoscaler.metadata);
  autoscaler.status ??= { desiredReplicas: 0 };
  autoscaler.status.desiredReplicas ??= 0;
  const { spec } = autoscaler;
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: 'Utilization', averageUtilization: CPU_PERCENT };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  if (!spec.behavior) return;
  spec.behavior.scaleUp = { ...structuredClone(UP), ...spec.behavior.scaleUp };
  spec.behavior.scaleDown = { ...structuredClone(DOWN), ...spec.behavior.scaleDown };
}
