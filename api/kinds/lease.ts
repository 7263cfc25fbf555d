import type { Kind } from '../kind.ts';
import type { Lease } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Who holds a right, and until when: leadership, the heartbeat of a node. */
export const LeaseKind: Kind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  namespaced: true,
  schema: 'io.k8s.api.coordination.v1.Lease',
  shortLived: true,
  strategy: strategyOf<Lease>({
    namespaced: true,
    name: isDnsSubdomain,
    anyFinalizer: true,
    check(lease, faults) {
      const { leaseDurationSeconds: duration, leaseTransitions: transitions } = lease.spec ?? {};
      if (duration !== undefined && duration <= 0) {
        faults.invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0');
      }
      faults.notNegative('spec.leaseTransitions', transitions);
    },
  }),
  columns: [
    nameColumn,
    column('Holder', 'string', 'Who holds it now.', (lease) => lease.spec?.holderIdentity ?? ''),
    ageColumn,
  ],
};
