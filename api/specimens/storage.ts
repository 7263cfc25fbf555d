import { CSIDriverKind } from '../kinds/csi-driver.ts';
import { CSINodeKind } from '../kinds/csi-node.ts';
import { CSIStorageCapacityKind } from '../kinds/csi-storage-capacity.ts';
import { StorageClassKind } from '../kinds/storage-class.ts';
import { VolumeAttachmentKind } from '../kinds/volume-attachment.ts';
import { VolumeAttributesClassKind } from '../kinds/volume-attributes-class.ts';
import { type Specimen, specimenOf } from './specimen.ts';
import { VOLUME_SOURCES } from './volume-sources.ts';

export const storageSpecimens: readonly Specimen[] = [
  specimenOf(CSIDriverKind, {
    'a driver with all it can have': {
      spec: {
        attachRequired: false,
        podInfoOnMount: true,
        volumeLifecycleModes: ['Persistent', 'Ephemeral'],
        storageCapacity: true,
        fsGroupPolicy: 'File',
        tokenRequests: [{ audience: '', expirationSeconds: 600 }, { audience: 'vault' }],
        requiresRepublish: true,
        seLinuxMount: true,
        nodeAllocatableUpdatePeriodSeconds: 10,
        serviceAccountTokenInSecrets: true,
        preventPodSchedulingIfMissing: true,
      },
    },
  }),
  specimenOf(CSINodeKind, {
    'a node with a driver': {
      spec: {
        drivers: [
          {
            name: 'csi.example.com',
            nodeID: 'n1',
            topologyKeys: ['topology.kubernetes.io/zone'],
            allocatable: { count: 16 },
          },
        ],
      },
    },
  }),
  specimenOf(CSIStorageCapacityKind, {
    'room in a zone': {
      nodeTopology: {
        matchLabels: { zone: 'a' },
        matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }],
      },
      storageClassName: 'fast',
      capacity: '10Gi',
      maximumVolumeSize: '1Gi',
    },
  }),
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
  specimenOf(VolumeAttachmentKind, {
    'a volume on a node': {
      spec: { attacher: 'csi.example.com', nodeName: 'n1', source: { persistentVolumeName: 'v' } },
    },
    'a volume of a pod on a node': {
      spec: {
        attacher: 'csi.example.com',
        nodeName: 'n1',
        source: {
          inlineVolumeSpec: {
            accessModes: ['ReadWriteOnce'],
            csi: VOLUME_SOURCES.csi,
            mountOptions: ['ro'],
            persistentVolumeReclaimPolicy: 'Retain',
            volumeMode: 'Filesystem',
          },
        },
      },
    },
  }),
  specimenOf(VolumeAttributesClassKind, {
    'a class with a parameter': { driverName: 'csi.example.com', parameters: { iops: '1000' } },
  }),
];
