import { canonicalQuantities } from '../defaults/quantities.ts';
import type { Kind } from '../kind.ts';
import type { ResourceQuota } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import {
  checkQuotaStatus,
  checkResourceQuota,
  checkResourceQuotaUpdate,
} from '../validation/resource-quota.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** How much of everything there may be in a namespace. */
export const ResourceQuotaKind: Kind<ResourceQuota> = {
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  singular: 'resourcequota',
  shortNames: ['quota'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ResourceQuota',
  subresources: { status: true },
  strategy: strategyOf<ResourceQuota>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults(quota) {
      quota.spec ??= {};
      quota.status ??= {};
      for (const list of [quota.spec.hard, quota.status.hard, quota.status.used]) canonicalQuantities(list);
    },
    prepareForCreate(quota) {
      quota.status = {};
    },
    check: checkResourceQuota,
    checkUpdate: checkResourceQuotaUpdate,
    checkStatus: (quota, _old, faults) => checkQuotaStatus(quota.status, faults),
  }),
  columns: [
    nameColumn,
    column('Request', 'string', 'What is used of what may be asked for.', (quota) => usage(quota, false)),
    column('Limit', 'string', 'What is used of what limits may add up to.', (quota) => usage(quota, true)),
    ageColumn,
  ],
};

/** `limits.cpu: 1/2, limits.memory: 1Gi/2Gi`, or all the others. */
function usage({ status }: ResourceQuota, ofLimits: boolean): string {
  return Object.keys(status?.hard ?? {})
    .filter((name) => name.startsWith('limits.') === ofLimits)
    .sort()
    .map((name) => `${name}: ${status!.used?.[name] ?? '0'}/${status!.hard![name]}`)
    .join(', ');
}
