import type { Kind } from '../kind.ts';
import type { Lease } from '../objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';

/** Who holds a right, and until when: leadership, the heartbeat of a node. */
export const LeaseKind: Kind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  namespaced: true,
  schema: 'io.k8s.api.coordination.v1.Lease',
  strategy: { validate: () => [] },
  columns: [
    nameColumn,
    column('Holder', 'string', 'Who holds it now.', (lease) => lease.spec?.holderIdentity ?? ''),
    ageColumn,
  ],
};
