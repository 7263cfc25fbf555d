import { PersistentVolumeClaimKind } from '../kinds/persistent-volume-claim.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const resources = { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } };
const source = { apiGroup: 'example.com', kind: 'Backup', name: 'b' };
const claim = { kind: 'PersistentVolumeClaim', name: 'other' };

export const volumeSpecimens: readonly Specimen[] = [
  specimenOf(PersistentVolumeClaimKind, {
    'a claim on a volume with labels': {
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources,
        selector: {
          matchLabels: { a: 'b' },
          matchExpressions: [{ key: 'c', operator: 'In', values: ['d'] }],
        },
        storageClassName: 'fast',
        volumeAttributesClassName: 'gold',
        volumeMode: 'Block',
        volumeName: 'v',
      },
    },
    // Both names of the source: alone, one of no known kind is dropped.
    'a claim on a backup': {
      spec: { accessModes: ['ReadWriteOnce'], resources, dataSource: source, dataSourceRef: source },
    },
    'a claim on a copy': { spec: { accessModes: ['ReadWriteOncePod'], resources, dataSource: claim } },
    'a claim on a backup elsewhere': {
      spec: {
        accessModes: ['ReadOnlyMany', 'ReadWriteMany'],
        resources,
        dataSourceRef: { ...source, namespace: 'far' },
      },
    },
  }),
];
