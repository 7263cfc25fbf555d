import { PersistentVolumeKind } from '../kinds/persistent-volume.ts';
import { PersistentVolumeClaimKind } from '../kinds/persistent-volume-claim.ts';
import { type Specimen, specimenOf } from './specimen.ts';
import { VOLUME_SOURCES } from './volume-sources.ts';

const resources = { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } };
const source = { apiGroup: 'example.com', kind: 'Backup', name: 'b' };
const claim = { kind: 'PersistentVolumeClaim', name: 'other' };

const volume = {
  capacity: { storage: '1Gi' },
  accessModes: ['ReadWriteOnce'],
  nodeAffinity: {
    required: {
      nodeSelectorTerms: [
        {
          matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }],
          matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
        },
      ],
    },
  },
};
const claimRef = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  namespace: 'default',
  name: 'c',
  uid: 'u',
  resourceVersion: '1',
  fieldPath: 'spec',
};

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
  specimenOf(PersistentVolumeKind, {
    ...Object.fromEntries(
      Object.entries(VOLUME_SOURCES).map(([name, source]) => [
        `a volume in ${name}`,
        { spec: { ...volume, [name]: source } },
      ]),
    ),
    'a volume of a Flocker by number': { spec: { ...volume, flocker: { datasetUUID: 'u' } } },
    'a volume behind a fibre channel by number': { spec: { ...volume, fc: { wwids: ['w'] } } },
    'a bound volume': {
      spec: {
        ...volume,
        csi: VOLUME_SOURCES.csi,
        claimRef,
        mountOptions: ['ro'],
        persistentVolumeReclaimPolicy: 'Delete',
        storageClassName: 'fast',
        volumeAttributesClassName: 'gold',
        volumeMode: 'Block',
      },
    },
  }),
];
