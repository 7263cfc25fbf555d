import type { Kind } from '../kind.ts';
import type { ServiceCIDR } from '../objects.ts';
import { checkServiceCidr, checkServiceCidrUpdate } from '../validation/address-objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A range of addresses for services. The server still takes its range from its configuration. */
export const ServiceCIDRKind: Kind<ServiceCIDR> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  singular: 'servicecidr',
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.networking.v1.ServiceCIDR',
  subresources: { status: true },
  strategy: strategyOf<ServiceCIDR>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(range) {
      range.spec ??= {};
      range.status ??= {};
    },
    check: checkServiceCidr,
    checkUpdate: checkServiceCidrUpdate,
  }),
  columns: [
    nameColumn,
    column('CIDRs', 'string', 'Its ranges, one of each family.', ({ spec }) => (spec?.cidrs ?? []).join(',')),
    ageColumn,
  ],
};
