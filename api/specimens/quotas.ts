import { LimitRangeKind } from '../kinds/limit-range.ts';
import { ResourceQuotaKind } from '../kinds/resource-quota.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const quotaSpecimens: readonly Specimen[] = [
  specimenOf(LimitRangeKind, {
    'limits for all': {
      spec: {
        limits: [
          {
            type: 'Container',
            max: { cpu: '4' },
            min: { cpu: '100m' },
            default: { cpu: '2' },
            defaultRequest: { cpu: '1' },
            maxLimitRequestRatio: { cpu: '4' },
          },
          { type: 'Pod', max: { cpu: '8' } },
          { type: 'PersistentVolumeClaim', max: { storage: '10Gi' } },
        ],
      },
    },
  }),
  specimenOf(ResourceQuotaKind, {
    'a quota of some pods': {
      spec: {
        hard: { pods: '10', 'requests.cpu': '4' },
        scopes: ['NotBestEffort'],
        scopeSelector: {
          matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }],
        },
      },
    },
  }),
];
