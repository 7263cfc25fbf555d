import { PodDisruptionBudgetKind } from '../kinds/pod-disruption-budget.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const selector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }],
};

export const policySpecimens: readonly Specimen[] = [
  specimenOf(PodDisruptionBudgetKind, {
    'a budget of pods that must stay': {
      spec: { minAvailable: 2, selector, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
    },
    'a budget of a share that may be away': { spec: { maxUnavailable: '25%', selector } },
  }),
];
