import { LeaseKind } from '../kinds/lease.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const coordinationSpecimens: readonly Specimen[] = [
  specimenOf(LeaseKind, {
    'a held lease': {
      spec: {
        holderIdentity: 'a',
        leaseDurationSeconds: 15,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        renewTime: '2026-01-01T00:00:05.000000Z',
        leaseTransitions: 1,
        strategy: 'OldestEmulationVersion',
        preferredHolder: 'b',
      },
    },
  }),
];
