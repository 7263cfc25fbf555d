import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import type { Parts } from '../testing/refusals.ts';
import { wideRow } from '../testing/rows.ts';
import { CSIDriverKind } from './csi-driver.ts';
import { CSINodeKind } from './csi-node.ts';
import { CSIStorageCapacityKind } from './csi-storage-capacity.ts';
import { PersistentVolumeKind } from './persistent-volume.ts';
import { PersistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { StorageClassKind } from './storage-class.ts';
import { VolumeAttachmentKind } from './volume-attachment.ts';
import { VolumeAttributesClassKind } from './volume-attributes-class.ts';

const CLAIM = 'Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|(VolumeMode)';

const VOLUME =
  'Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|(VolumeMode)';

const CLASS = 'Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age';

const DRIVER = 'Name|AttachRequired|PodInfoOnMount|StorageCapacity|TokenRequests|RequiresRepublish|Modes|Age';

/** [kind, object, header, row]. */
const TABLE: [Kind, Parts, string, string][] = [
  [
    PersistentVolumeClaimKind as Kind,
    {
      spec: {
        volumeName: 'v',
        storageClassName: 'fast',
        volumeMode: 'Block',
        volumeAttributesClassName: 'gold',
      },
      status: {
        phase: 'Bound',
        accessModes: ['ReadOnlyMany', 'ReadWriteOnce'],
        capacity: { storage: '5Gi' },
      },
    },
    CLAIM,
    'x|Bound|v|5Gi|RWO,ROX|fast|gold|24h|Block',
  ],
  [
    PersistentVolumeClaimKind as Kind,
    {
      metadata: { annotations: { 'volume.beta.kubernetes.io/storage-class': 'old' } },
      spec: {},
      status: { phase: 'Pending', accessModes: ['ReadWriteMany'], capacity: { storage: '5Gi' } },
    },
    CLAIM,
    'x|Pending||||old|<unset>|24h|<unset>',
  ],
  [
    PersistentVolumeClaimKind as Kind,
    {
      metadata: { deletionTimestamp: '2026-01-01T12:00:00Z' },
      spec: { volumeName: 'v' },
      status: { phase: 'Lost' },
    },
    CLAIM,
    'x|Terminating|v|0|||<unset>|24h|<unset>',
  ],
  [
    PersistentVolumeKind as Kind,
    {
      spec: {
        capacity: { storage: '5Gi' },
        accessModes: ['ReadWriteMany', 'ReadWriteOncePod'],
        claimRef: { namespace: 'n', name: 'c' },
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: 'fast',
        volumeAttributesClassName: 'gold',
        volumeMode: 'Filesystem',
      },
      status: { phase: 'Failed', reason: 'Broken' },
    },
    VOLUME,
    'x|5Gi|RWX,RWOP|Retain|Failed|n/c|fast|gold|Broken|24h|Filesystem',
  ],
  [
    PersistentVolumeKind as Kind,
    { metadata: { deletionTimestamp: '2026-01-01T12:00:00Z' }, status: { phase: 'Released' } },
    VOLUME,
    'x|0|||Terminating|||<unset>||24h|<unset>',
  ],
  [
    StorageClassKind as Kind,
    {
      metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'p',
      reclaimPolicy: 'Retain',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    },
    CLASS,
    'x (default)|p|Retain|WaitForFirstConsumer|true|24h',
  ],
  [StorageClassKind as Kind, { provisioner: 'p' }, CLASS, 'x|p|Delete|Immediate|false|24h'],
  [CSIDriverKind as Kind, {}, DRIVER, 'x|true|false|false|<unset>|false|<none>|24h'],
  [
    CSIDriverKind as Kind,
    {
      spec: {
        attachRequired: false,
        podInfoOnMount: true,
        storageCapacity: true,
        tokenRequests: [{ audience: 'a' }, { audience: 'b' }],
        requiresRepublish: true,
        volumeLifecycleModes: ['Persistent', 'Ephemeral'],
      },
    },
    DRIVER,
    'x|false|true|true|a,b|true|Persistent,Ephemeral|24h',
  ],
  [CSINodeKind as Kind, { spec: { drivers: [{ name: 'a' }, { name: 'b' }] } }, 'Name|Drivers|Age', 'x|2|24h'],
  [
    CSIStorageCapacityKind as Kind,
    { storageClassName: 'fast', capacity: '1Gi' },
    'Name|StorageClassName|Capacity',
    'x|fast|1Gi',
  ],
  [CSIStorageCapacityKind as Kind, {}, 'Name|StorageClassName|Capacity', 'x||<unset>'],
  [
    VolumeAttachmentKind as Kind,
    {
      spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' } },
      status: { attached: true },
    },
    'Name|Attacher|PV|Node|Attached|Age',
    'x|d|v|n|true|24h',
  ],
  [VolumeAttributesClassKind as Kind, { driverName: 'd' }, 'Name|DriverName|Age', 'x|d|24h'],
];

describe('kubectl get -o wide', () => {
  it.each(TABLE.map(([kind, parts, header, row]) => ({ of: kind.kind, kind, parts, header, row })))(
    '$of: $row',
    ({ kind, parts, header, row }) => {
      expect(wideRow(kind, parts)).toEqual([header, row]);
    },
  );
});
