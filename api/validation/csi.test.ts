import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { CSIDriverKind } from '../kinds/csi-driver.ts';
import { CSINodeKind } from '../kinds/csi-node.ts';
import { CSIStorageCapacityKind } from '../kinds/csi-storage-capacity.ts';
import { VolumeAttachmentKind } from '../kinds/volume-attachment.ts';
import {
  type ChangeRefusal,
  made,
  type Refusal,
  refusesEach,
  refusesEachChange,
  statusRefusals,
} from '../testing/refusals.ts';

const subdomain = (field: string, value: string) =>
  expect.stringContaining(
    `${field}: Invalid value: "${value}": a lowercase RFC 1123 subdomain must consist of `,
  );
const attachment = { attacher: 'csi.example.com', nodeName: 'n1', source: { persistentVolumeName: 'v' } };
const csi = { driver: 'csi.example.com', volumeHandle: 'h' };
const inline = 'spec.source.inlineVolumeSpec';
const NOT_INLINE = 'Forbidden: may not be specified in the context of inline volumes';

/** [kind, the wrong parts, the faults]. */
const WRONG: Refusal[] = [
  [
    CSIDriverKind as Kind,
    {
      spec: {
        fsGroupPolicy: 'Some',
        volumeLifecycleModes: ['Short'],
        nodeAllocatableUpdatePeriodSeconds: 9,
        serviceAccountTokenInSecrets: false,
      },
    },
    [
      'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType"',
      'spec.volumeLifecycleModes: Unsupported value: "Short": supported values: "Persistent", "Ephemeral"',
      'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
      'spec.serviceAccountTokenInSecrets: Invalid value: false: may only be set when tokenRequests is specified',
    ],
  ],
  [
    CSIDriverKind as Kind,
    {
      spec: {
        tokenRequests: [
          { audience: 'a', expirationSeconds: 599 },
          { audience: 'b', expirationSeconds: 4_294_967_297 },
          { audience: 'a' },
        ],
      },
    },
    [
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
      'spec.tokenRequests[1].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds',
      'spec.tokenRequests[2].audience: Duplicate value: "a"',
    ],
  ],
  [
    CSINodeKind as Kind,
    {
      spec: {
        drivers: [
          { name: 'a', nodeID: 'x'.repeat(257), allocatable: { count: -1 } },
          { name: 'a', topologyKeys: ['zone', 'zone', ''] },
        ],
      },
    },
    [
      `spec.drivers[0].nodeID: Invalid value: "${'x'.repeat(257)}": must be 256 characters or less`,
      'spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0',
      'spec.drivers[1].nodeID: Required value',
      'spec.drivers[1]: Duplicate value: "zone"',
      'spec.drivers[1]: Required value',
      'spec.drivers[1]: Invalid value: "": name part must be non-empty',
      expect.stringContaining('spec.drivers[1]: Invalid value: "": name part must consist of '),
      'spec.drivers[1].name: Duplicate value: "a"',
    ],
  ],
  [
    CSIStorageCapacityKind as Kind,
    { nodeTopology: { matchLabels: { a: '-' } }, capacity: '-1' },
    [
      expect.stringContaining('nodeTopology.matchLabels: Invalid value: "-": a valid label must be '),
      subdomain('storageClassName', ''),
      'capacity: Invalid value: "-1": must be greater than or equal to 0',
    ],
  ],
  [
    VolumeAttachmentKind as Kind,
    { spec: {} },
    [
      'spec.attacher: Required value',
      'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
      subdomain('spec.nodeName', ''),
    ],
  ],
  [
    VolumeAttachmentKind as Kind,
    { spec: { ...attachment, attacher: 'A_', source: { persistentVolumeName: '', inlineVolumeSpec: {} } } },
    [
      'spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
      subdomain('spec.attacher', 'A_'),
    ],
  ],
  [
    VolumeAttachmentKind as Kind,
    { spec: { ...attachment, source: { persistentVolumeName: '' } } },
    ['spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName'],
  ],
  [
    VolumeAttachmentKind as Kind,
    { spec: { ...attachment, source: { persistentVolumeName: 'A' } } },
    [subdomain('spec.source.persistentVolumeName', 'A')],
  ],
  [
    VolumeAttachmentKind as Kind,
    {
      spec: {
        ...attachment,
        source: {
          inlineVolumeSpec: {
            claimRef: { name: 'c' },
            capacity: { storage: '1' },
            nfs: { server: 's', path: '/' },
            persistentVolumeReclaimPolicy: 'Delete',
            nodeAffinity: {},
            storageClassName: 'fast',
            volumeMode: 'Block',
          },
        },
      },
    },
    [
      `${inline}.claimRef: ${NOT_INLINE}`,
      `${inline}.capacity: ${NOT_INLINE}`,
      `${inline}.csi: Required value: has to be specified in the context of inline volumes`,
      `${inline}.accessModes: Required value`,
      `${inline}.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes`,
      `${inline}.nodeAffinity: ${NOT_INLINE}`,
      `${inline}.storageClassName: ${NOT_INLINE}`,
      `${inline}.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes`,
    ],
  ],
];

describe('what is wrong is refused', () => refusesEach(WRONG));

/** [kind, before, after, the faults]. */
const CHANGES: ChangeRefusal[] = [
  [
    CSIDriverKind as Kind,
    { spec: {} },
    { spec: { attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: ['Ephemeral'] } },
    [
      'spec.attachedRequired: Invalid value: false: field is immutable',
      'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable',
    ],
  ],
  [
    CSINodeKind as Kind,
    {
      spec: {
        drivers: [
          { name: 'a', nodeID: 'n', allocatable: { count: 1 } },
          { name: 'gone', nodeID: 'n' },
        ],
      },
    },
    {
      spec: {
        drivers: [
          { name: 'a', nodeID: 'n', allocatable: { count: 2 } },
          { name: 'new', nodeID: 'n' },
        ],
      },
    },
    [],
  ],
  [
    CSINodeKind as Kind,
    { spec: { drivers: [{ name: 'a', nodeID: 'n' }] } },
    { spec: { drivers: [{ name: 'a', nodeID: 'm' }] } },
    ['spec.drivers: Invalid value: {"name":"a","nodeID":"m"}: field is immutable'],
  ],
  [
    CSIStorageCapacityKind as Kind,
    { storageClassName: 'a', capacity: '1' },
    { storageClassName: 'b', capacity: '2', nodeTopology: { matchLabels: { a: 'b' } } },
    [
      'nodeTopology: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable',
      'storageClassName: Invalid value: "b": field is immutable',
    ],
  ],
  [
    VolumeAttachmentKind as Kind,
    { spec: attachment },
    { spec: { ...attachment, nodeName: 'n2' } },
    [`spec: Invalid value: ${JSON.stringify({ ...attachment, nodeName: 'n2' })}: field is immutable`],
  ],
];

describe('what cannot change stays', () => refusesEachChange(CHANGES));

it('what an attacher reports has its bounds', () => {
  const status = {
    attachmentMetadata: { a: 'b'.repeat(262_144) },
    attachError: { message: 'm'.repeat(1025) },
    detachError: { errorCode: -1 },
  };
  expect(statusRefusals(VolumeAttachmentKind, { spec: attachment, status })).toEqual([
    'status.attachmentMetadata: Too long: may not be more than 262144 bytes',
    'status.attachError.message: Too long: may not be more than 262144 bytes',
    'status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive',
  ]);
});

describe('what is left out is filled in', () => {
  it('a driver', () => {
    expect(made(CSIDriverKind, {})).toEqual({
      apiVersion: 'v1',
      kind: 'CSIDriver',
      metadata: { name: 'x' },
      spec: {
        attachRequired: true,
        podInfoOnMount: false,
        storageCapacity: false,
        fsGroupPolicy: 'ReadWriteOnceWithFSType',
        volumeLifecycleModes: ['Persistent'],
        requiresRepublish: false,
        seLinuxMount: false,
      },
    });
  });

  it('a node without drivers', () => {
    expect(made(CSINodeKind, {}).spec).toEqual({ drivers: [] });
  });

  it('room, canonically', () => {
    const capacity = made(CSIStorageCapacityKind, { capacity: '1024Mi', maximumVolumeSize: '0.5' });
    expect(capacity).toMatchObject({ capacity: '1Gi', maximumVolumeSize: '500m' });
  });

  it('an attachment, which is still to be made', () => {
    const whole = made(VolumeAttachmentKind, {
      spec: { ...attachment, source: { inlineVolumeSpec: { csi, capacity: { storage: '1024Mi' } } } },
      status: { attached: true, attachmentMetadata: { a: 'b' } },
    });
    VolumeAttachmentKind.strategy.prepareForCreate!(whole);
    expect(whole).toEqual({
      apiVersion: 'v1',
      kind: 'VolumeAttachment',
      metadata: { name: 'x' },
      spec: { ...attachment, source: { inlineVolumeSpec: { csi, capacity: { storage: '1Gi' } } } },
      status: { attached: false },
    });
    expect(made(VolumeAttachmentKind, { spec: attachment }).status).toEqual({ attached: false });
  });
});
