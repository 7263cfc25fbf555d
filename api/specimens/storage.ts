import { StorageClassKind } from '../kinds/storage-class.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const storageSpecimens: readonly Specimen[] = [
  specimenOf(StorageClassKind, {
    'a class in two zones': {
      provisioner: 'csi.example.com',
      parameters: { type: 'fast' },
      reclaimPolicy: 'Retain',
      mountOptions: ['ro'],
      allowVolumeExpansion: true,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowedTopologies: [
        { matchLabelExpressions: [{ key: 'topology.kubernetes.io/zone', values: ['a', 'b'] }] },
      ],
    },
  }),
];
