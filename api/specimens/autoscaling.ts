import { HorizontalPodAutoscalerKind } from '../kinds/horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscalerV1Kind } from '../kinds/horizontal-pod-autoscaler-v1.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
/** Kubernetes looks at the names of metrics only, and not into their selectors. */
const metric = { name: 'requests', selector: { matchLabels: { verb: 'GET' } } };
const policies = [{ type: 'Percent', value: 50, periodSeconds: 60 }];

export const autoscalingSpecimens: readonly Specimen[] = [
  specimenOf(HorizontalPodAutoscalerKind, {
    'an autoscaler by metrics of all types': {
      spec: {
        scaleTargetRef,
        minReplicas: 2,
        maxReplicas: 10,
        metrics: [
          {
            type: 'Resource',
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
          },
          {
            type: 'ContainerResource',
            containerResource: {
              name: 'memory',
              container: 'web',
              target: { type: 'AverageValue', averageValue: '1Gi' },
            },
          },
          { type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '100' } } },
          {
            type: 'Object',
            object: { describedObject: scaleTargetRef, metric, target: { type: 'Value', value: '1k' } },
          },
          { type: 'External', external: { metric, target: { type: 'Value', value: '30' } } },
        ],
        behavior: {
          scaleUp: { stabilizationWindowSeconds: 30, selectPolicy: 'Min', policies, tolerance: '50m' },
          scaleDown: { selectPolicy: 'Disabled' },
        },
      },
    },
  }),
  specimenOf(HorizontalPodAutoscalerV1Kind, {
    'an autoscaler by CPU': {
      spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 70 },
    },
  }),
];
