import { describe, expect, it } from 'vitest';
import { PersistentVolumeKind } from '../kinds/persistent-volume.ts';
import { made, type Parts, refusals, updateRefusals } from '../testing/refusals.ts';

const spec = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] };
const nfs = { nfs: { server: 's', path: '/p' } };
const csi = { driver: 'csi.example.com', volumeHandle: 'h' };
const SUBDOMAIN = /^.*: Invalid value: "[A-Z]?": a lowercase RFC 1123 subdomain must consist of .*$/;
const LABEL = /^.*: Invalid value: "[A-Z]": a lowercase RFC 1123 label must consist of .*$/;
const subdomain = (field: string) =>
  expect.stringMatching(new RegExp(`^${RegExp.escape(field)}${SUBDOMAIN.source.slice(3)}`));
const label = (field: string) =>
  expect.stringMatching(new RegExp(`^${RegExp.escape(field)}${LABEL.source.slice(3)}`));
const REGISTRY = 'must be a host:port pair or multiple pairs separated by commas';

const missing = (at: string, ...names: string[]) => names.map((name) => `spec.${at}.${name}: Required value`);

/** [what is wrong with the storage, it, the faults]. */
const SOURCES: [string, Parts, unknown[]][] = [
  ['none', {}, ['spec: Required value: must specify a volume type']],
  [
    'too many',
    { ...nfs, cephfs: { monitors: ['m'] }, csi },
    [
      'spec.cephFS: Forbidden: may not specify more than 1 volume type',
      'spec.csi: Forbidden: may not specify more than 1 volume type',
    ],
  ],
  ['hostPath', { hostPath: {} }, missing('hostPath', 'path')],
  [
    'hostPath that climbs',
    { hostPath: { path: '/a/../b', type: 'Disk' } },
    [
      'spec.hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
      'spec.hostPath.type: Unsupported value: "Disk": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ],
  ],
  [
    'hostPath that is everything, to be emptied',
    { hostPath: { path: '/./' }, persistentVolumeReclaimPolicy: 'Recycle' },
    ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
  ],
  [
    'gcePersistentDisk',
    { gcePersistentDisk: { partition: 256 } },
    [
      'spec.persistentDisk.pdName: Required value',
      'spec.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive',
    ],
  ],
  [
    'awsElasticBlockStore',
    { awsElasticBlockStore: { partition: -1 } },
    [
      ...missing('awsElasticBlockStore', 'volumeID'),
      'spec.awsElasticBlockStore.partition: Invalid value: -1: must be between 1 and 255, inclusive',
    ],
  ],
  [
    'glusterfs',
    { glusterfs: { endpointsNamespace: '' } },
    [
      ...missing('glusterfs', 'endpoints', 'path'),
      'spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name',
    ],
  ],
  [
    'glusterfs elsewhere',
    { glusterfs: { endpoints: 'e', path: 'p', endpointsNamespace: 'A' } },
    [label('spec.glusterfs.endpointsNamespace')],
  ],
  [
    'flocker',
    { flocker: { fsType: 'ext4' } },
    ['spec.flocker: Required value: one of datasetName and datasetUUID is required'],
  ],
  [
    'flocker twice',
    { flocker: { datasetName: 'a/b', datasetUUID: 'u' } },
    [
      'spec.flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously',
      'spec.flocker.datasetName: Invalid value: "a/b": must not contain \'/\'',
    ],
  ],
  [
    'nfs',
    { nfs: { readOnly: true } },
    [...missing('nfs', 'server', 'path'), 'spec.nfs.path: Invalid value: "": must be an absolute path'],
  ],
  ['rbd', { rbd: {} }, missing('rbd', 'monitors', 'image')],
  [
    'quobyte',
    { quobyte: {} },
    [`spec.quobyte.registry: Required value: ${REGISTRY}`, ...missing('quobyte', 'volume')],
  ],
  [
    'quobyte of a tenant',
    { quobyte: { registry: 'a:1', volume: 'v', tenant: 't'.repeat(65) } },
    ['spec.quobyte.tenant: Required value: must be a UUID and may not exceed a length of 64 characters'],
  ],
  [
    'quobyte without ports',
    { quobyte: { registry: 'a:1,b,::1', volume: 'v' } },
    [
      `spec.quobyte.registry: Invalid value: "a:1,b,::1": ${REGISTRY}`,
      `spec.quobyte.registry: Invalid value: "a:1,b,::1": ${REGISTRY}`,
    ],
  ],
  ['cephfs', { cephfs: { path: '/' } }, missing('cephfs', 'monitors')],
  [
    'iscsi',
    { iscsi: { lun: 256, chapAuthSession: true } },
    [
      ...missing('iscsi', 'targetPortal', 'iqn'),
      'spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive',
      ...missing('iscsi', 'secretRef'),
    ],
  ],
  [
    'iscsi with names that are none',
    {
      iscsi: {
        targetPortal: `${'p'.repeat(62)}:1`,
        iqn: 'iqn.2026.x',
        initiatorName: 'abc.1',
        secretRef: { namespace: 'n' },
      },
    },
    [
      'spec.iscsi.iqn: Invalid value: "iqn.2026.x": must be valid format',
      'spec.iscsi.secretRef.name: Required value',
      'spec.iscsi.initiatorname: Invalid value: "abc.1": must be valid format',
      `spec.iscsi.targetportal: Invalid value: "${'p'.repeat(62)}:1": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.`,
    ],
  ],
  [
    'cinder',
    { cinder: { secretRef: {} } },
    [...missing('cinder', 'volumeID'), ...missing('cinder.secretRef', 'name', 'namespace')],
  ],
  [
    'fc',
    { fc: { fsType: 'ext4' } },
    ['spec.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both'],
  ],
  [
    'fc twice',
    { fc: { targetWWNs: ['w'], wwids: ['i'] } },
    [
      'spec.fc.targetWWNs: Invalid value: ["w"]: targetWWNs and wwids can not be specified simultaneously',
      'spec.fc.lun: Required value: lun is required if targetWWNs is specified',
    ],
  ],
  [
    'fc of a unit that is none',
    { fc: { targetWWNs: ['w'], lun: 256 } },
    ['spec.fc.lun: Invalid value: 256: must be between 0 and 255, inclusive'],
  ],
  [
    'flexVolume',
    { flexVolume: { options: { 'a.K8s.io/b': 'c', 'kubernetes.io': 'd', 'example.com/k8s.io': 'e' } } },
    [
      ...missing('flexVolume', 'driver'),
      'spec.flexVolume.options[a.K8s.io/b]: Invalid value: "a.K8s.io/b": kubernetes.io and k8s.io namespaces are reserved',
      'spec.flexVolume.options[kubernetes.io]: Invalid value: "kubernetes.io": kubernetes.io and k8s.io namespaces are reserved',
    ],
  ],
  [
    'azureFile',
    { azureFile: { secretNamespace: '' } },
    missing('azureFile', 'secretName', 'shareName', 'secretNamespace'),
  ],
  ['vsphereVolume', { vsphereVolume: {} }, missing('vsphereVolume', 'volumePath')],
  ['photonPersistentDisk', { photonPersistentDisk: {} }, missing('photonPersistentDisk', 'pdID')],
  ['portworxVolume', { portworxVolume: {} }, missing('portworxVolume', 'volumeID')],
  [
    'azureDisk',
    { azureDisk: { cachingMode: 'Some', kind: 'Rented' } },
    [
      ...missing('azureDisk', 'diskName', 'diskURI'),
      'spec.azureDisk.cachingMode: Unsupported value: "Some": supported values: "None", "ReadOnly", "ReadWrite"',
      'spec.azureDisk.kind: Unsupported value: "Rented": supported values: "Dedicated", "Managed", "Shared"',
      'spec.azureDisk.diskURI: Unsupported value: "": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"',
    ],
  ],
  [
    'azureDisk, managed',
    { azureDisk: { diskName: 'd', diskURI: 'https://x', kind: 'Managed' } },
    [
      'spec.azureDisk.diskURI: Unsupported value: "https://x": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
    ],
  ],
  ['scaleIO', { scaleIO: {} }, missing('scaleIO', 'gateway', 'system', 'volumeName')],
  [
    'local',
    { local: {} },
    [...missing('local', 'path'), 'spec.nodeAffinity: Required value: Local volume requires node affinity'],
  ],
  [
    'local that climbs',
    { local: { path: '../x' }, nodeAffinity: {} },
    [
      'spec.nodeAffinity.required: Required value: must specify required node constraints',
      'spec.local.path: Invalid value: "../x": must not contain \'..\'',
    ],
  ],
  [
    'local nowhere',
    { local: { path: '/x' }, nodeAffinity: { required: {} } },
    [
      'spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
  ],
  [
    'storageos',
    { storageos: { volumeNamespace: 'A', secretRef: {} } },
    [
      ...missing('storageos', 'volumeName'),
      label('spec.storageos.volumeNamespace'),
      ...missing('storageos.secretRef', 'name', 'namespace'),
    ],
  ],
  [
    'csi',
    { csi: { nodePublishSecretRef: {} } },
    [
      ...missing('csi', 'driver'),
      subdomain('spec.csi.driver'),
      ...missing('csi', 'volumeHandle'),
      ...missing('csi.nodePublishSecretRef', 'name', 'namespace'),
    ],
  ],
  [
    'csi with names that are none',
    { csi: { ...csi, driver: 'D'.repeat(64), controllerExpandSecretRef: { name: 'A', namespace: 'B' } } },
    [
      'spec.csi.driver: Too long: may not be more than 63 bytes',
      subdomain('spec.csi.controllerExpandSecretRef.name'),
      label('spec.csi.controllerExpandSecretRef.namespace'),
    ],
  ],
];

describe('storage that cannot be', () => {
  it.each(SOURCES)('%s', (_what, source, faults) => {
    expect(refusals(PersistentVolumeKind, { spec: { ...spec, ...source } })).toEqual(faults);
  });
});

describe('a volume is refused', () => {
  it.each<[string, Parts, unknown[]]>([
    [
      'without a size and a mode',
      { ...nfs },
      [
        'spec.accessModes: Required value',
        'spec.capacity: Required value',
        'spec.capacity: Unsupported value: null: supported values: "storage"',
      ],
    ],
    [
      'with more than a size, or less than nothing',
      { ...spec, ...nfs, capacity: { storage: '-1', cpu: '1' } },
      [
        'spec.capacity: Unsupported value: {"storage":"-1","cpu":"1"}: supported values: "storage"',
        'spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
        'spec.capacity[storage]: Invalid value: "-1": must be greater than zero',
      ],
    ],
    [
      'with an end, class or mode that cannot be',
      { ...spec, ...nfs, persistentVolumeReclaimPolicy: 'Burn', storageClassName: 'A', volumeMode: 'Tape' },
      [
        'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"',
        subdomain('spec.storageClassName'),
        'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
      ],
    ],
    [
      'with attributes that nobody can change',
      { ...spec, ...nfs, volumeAttributesClassName: '' },
      [
        'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
        'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
      ],
    ],
    [
      'with a class of attributes that is none',
      { ...spec, csi, volumeAttributesClassName: 'A' },
      [subdomain('spec.volumeAttributesClassName')],
    ],
  ])('%s', (_what, whole, faults) => {
    expect(refusals(PersistentVolumeKind, { spec: whole })).toEqual(faults);
  });
});

describe('a volume that exists', () => {
  const on = (key: string, value = 'a') => ({
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: [value] }] }] },
  });
  const zone = 'failure-domain.beta.kubernetes.io/zone';
  const secret = { name: 's', namespace: 'n' };
  const GONE =
    'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation';

  it.each<[string, Parts, Parts, string[]]>([
    [
      'stays where it is',
      { ...nfs },
      { nfs: { server: 's', path: '/q' }, persistentVolumeReclaimPolicy: 'Delete' },
      [`${GONE}\nchanged: spec.nfs`],
    ],
    ['gets a secret to grow with', { csi }, { csi: { ...csi, controllerExpandSecretRef: secret } }, []],
    [
      'keeps it',
      { csi: { ...csi, controllerExpandSecretRef: secret } },
      { csi: { ...csi, controllerExpandSecretRef: { ...secret, name: 't' } } },
      [`${GONE}\nchanged: spec.csi`],
    ],
    [
      'stays a device or a file system',
      { ...nfs },
      { ...nfs, volumeMode: 'Block' },
      ['volumeMode: Invalid value: "Block": field is immutable'],
    ],
    ['gets nodes when it had none', { ...nfs }, { ...nfs, nodeAffinity: on('a') }, []],
    [
      'keeps them, by the new names of their labels',
      { ...nfs, nodeAffinity: on(zone) },
      { ...nfs, nodeAffinity: on('topology.kubernetes.io/zone') },
      [],
    ],
    [
      'gets no others',
      { ...nfs, nodeAffinity: on(zone) },
      { ...nfs, nodeAffinity: on(zone, 'b') },
      [`nodeAffinity: Invalid value: ${JSON.stringify(on(zone, 'b'))}: field is immutable`],
    ],
    [
      'keeps a class of attributes',
      { csi, volumeAttributesClassName: 'a' },
      { csi },
      ['spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden'],
    ],
  ])('%s', (_what, before, after, faults) => {
    const whole = (parts: Parts) => ({ spec: { ...spec, ...parts } });
    expect(updateRefusals(PersistentVolumeKind, whole(before), whole(after))).toEqual(faults);
  });
});

describe('the defaults of a volume', () => {
  it('are to stay, and to wait since it was made', () => {
    const object = made(PersistentVolumeKind, {
      metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { ...spec, capacity: { storage: '1024Mi' }, hostPath: { path: '/' } },
      status: { phase: 'Bound' },
    });
    PersistentVolumeKind.strategy.prepareForCreate!(object);
    expect(object).toEqual({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'x', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {
        ...spec,
        hostPath: { path: '/', type: '' },
        persistentVolumeReclaimPolicy: 'Retain',
        volumeMode: 'Filesystem',
      },
      status: { phase: 'Pending', lastPhaseTransitionTime: '2026-01-01T00:00:00Z' },
    });
  });

  it.each<[string, Parts, Parts]>([
    ['rbd', {}, { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' }],
    ['iscsi', {}, { iscsiInterface: 'default' }],
    ['azureDisk', {}, { cachingMode: 'ReadWrite', kind: 'Shared', fsType: 'ext4', readOnly: false }],
    ['scaleIO', {}, { storageMode: 'ThinProvisioned', fsType: 'xfs' }],
  ])('of %s', (name, given, whole) => {
    expect(made(PersistentVolumeKind, { spec: { [name]: given } }).spec).toMatchObject({ [name]: whole });
  });
});
