/**
 * Where the bytes of a persistent volume are: one check for each kind of storage, in the order in which Kubernetes looks at
 * them. Source: Kubernetes API reference, PersistentVolumeSpec.
 */
import type { PersistentVolume } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults } from './names.ts';
import { checkHostPath, checkNoBacksteps } from './volumes.ts';

type Spec = NonNullable<PersistentVolume['spec']>;
export type SourceName = Extract<keyof Spec, keyof typeof SOURCES>;
type Source<Name extends keyof Spec> = NonNullable<Spec[Name]>;
type Check<Name extends keyof Spec> = (source: Source<Name>, field: string, faults: Faults) => void;

const BYTE_RULE = 'must be between 0 and 255, inclusive';
const PARTITION_RULE = 'must be between 1 and 255, inclusive';

export const SOURCES = {
  hostPath: checkHostPath as Check<'hostPath'>,
  gcePersistentDisk: (disk: Source<'gcePersistentDisk'>, field: string, faults: Faults) => {
    // Kubernetes names this one differently from the field.
    const at = field.replace('gcePersistentDisk', 'persistentDisk');
    requireFields(disk, ['pdName'], at, faults);
    checkPartition(disk.partition, at, faults);
  },
  awsElasticBlockStore: (disk: Source<'awsElasticBlockStore'>, field: string, faults: Faults) => {
    requireFields(disk, ['volumeID'], field, faults);
    checkPartition(disk.partition, field, faults);
  },
  glusterfs: checkGlusterfs,
  flocker: checkFlocker,
  nfs: (nfs: Source<'nfs'>, field: string, faults: Faults) => {
    requireFields(nfs, ['server', 'path'], field, faults);
    if (!nfs.path?.startsWith('/'))
      faults.invalid(`${field}.path`, nfs.path ?? '', 'must be an absolute path');
  },
  rbd: required<'rbd'>('monitors', 'image'),
  quobyte: checkQuobyte,
  cephfs: required<'cephfs'>('monitors'),
  iscsi: checkIscsi,
  cinder: (cinder: Source<'cinder'>, field: string, faults: Faults) => {
    requireFields(cinder, ['volumeID'], field, faults);
    if (cinder.secretRef)
      requireFields(cinder.secretRef, ['name', 'namespace'], `${field}.secretRef`, faults);
  },
  fc: checkFibreChannel,
  flexVolume: checkFlexVolume,
  azureFile: (file: Source<'azureFile'>, field: string, faults: Faults) => {
    requireFields(file, ['secretName', 'shareName'], field, faults);
    if (file.secretNamespace !== undefined) requireFields(file, ['secretNamespace'], field, faults);
  },
  vsphereVolume: required<'vsphereVolume'>('volumePath'),
  photonPersistentDisk: required<'photonPersistentDisk'>('pdID'),
  portworxVolume: required<'portworxVolume'>('volumeID'),
  azureDisk: checkAzureDisk,
  scaleIO: required<'scaleIO'>('gateway', 'system', 'volumeName'),
  local: (local: Source<'local'>, field: string, faults: Faults) => {
    requireFields(local, ['path'], field, faults);
    if (local.path) checkNoBacksteps(local.path, `${field}.path`, faults);
  },
  storageos: checkStorageOs,
  csi: checkCsi,
} satisfies { [Name in keyof Spec]?: Check<Name> };

/** Required for each of the fields that is missing or empty. */
function requireFields<T extends object>(
  object: T,
  names: readonly (keyof T & string)[],
  field: string,
  faults: Faults,
): void {
  for (const name of names) {
    const value = object[name] as string | readonly string[] | undefined;
    if (!value?.length) faults.required(`${field}.${name}`);
  }
}

/** A source of which Kubernetes only asks that some fields are there. */
function required<Name extends keyof Spec>(...names: (keyof Source<Name> & string)[]): Check<Name> {
  return (source, field, faults) => requireFields(source as object, names as never[], field, faults);
}

function checkPartition(partition: number | undefined, field: string, faults: Faults): void {
  if (partition !== undefined && (partition < 0 || partition > 255)) {
    faults.invalid(`${field}.partition`, partition, PARTITION_RULE);
  }
}

function checkGlusterfs(glusterfs: Source<'glusterfs'>, field: string, faults: Faults): void {
  requireFields(glusterfs, ['endpoints', 'path'], field, faults);
  const namespace = glusterfs.endpointsNamespace;
  if (namespace === undefined) return;
  const details = namespace
    ? dnsLabelFaults(namespace)
    : ['if the endpointnamespace is set, it must be a valid namespace name'];
  faults.invalidFor(`${field}.endpointsNamespace`, namespace, details);
}

function checkFlocker({ datasetName, datasetUUID }: Source<'flocker'>, field: string, faults: Faults): void {
  if (!datasetName && !datasetUUID) faults.required(field, 'one of datasetName and datasetUUID is required');
  if (datasetName && datasetUUID) {
    faults.invalid(field, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
  }
  if (datasetName?.includes('/')) faults.invalid(`${field}.datasetName`, datasetName, "must not contain '/'");
}

const REGISTRY_RULE = 'must be a host:port pair or multiple pairs separated by commas';
const HOST_AND_PORT = /^([^:[\]]*|\[[^[\]]*\]):[^:[\]]*$/;
const TENANT_MAX = 64;

function checkQuobyte(quobyte: Source<'quobyte'>, field: string, faults: Faults): void {
  const { registry, tenant = '' } = quobyte;
  if (!registry) faults.required(`${field}.registry`, REGISTRY_RULE);
  else if (tenant.length > TENANT_MAX) {
    faults.required(`${field}.tenant`, 'must be a UUID and may not exceed a length of 64 characters');
  } else {
    const wrong = registry.split(',').filter((pair) => !HOST_AND_PORT.test(pair));
    for (const _pair of wrong) faults.invalid(`${field}.registry`, registry, REGISTRY_RULE);
  }
  requireFields(quobyte, ['volume'], field, faults);
}

/** Names of targets and initiators by their first three letters. Source: RFC 3720, RFC 3980. */
const ISCSI_NAMES = new Map([
  ['iqn', /iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$/],
  ['eui', /^eui.[A-Za-z0-9]{16}$/],
  ['naa', /^naa.[A-Za-z0-9]{32}$/],
]);
const PORTAL_MAX = 64;

/** The field paths in lower case are those of Kubernetes. */
function checkIscsi(iscsi: Source<'iscsi'>, field: string, faults: Faults): void {
  const { iqn, lun = 0, secretRef, initiatorName } = iscsi;
  requireFields(iscsi, ['targetPortal'], field, faults);
  if (iqn) checkIscsiName(iqn, `${field}.iqn`, faults);
  else faults.required(`${field}.iqn`);
  if (lun < 0 || lun > 255) faults.invalid(`${field}.lun`, lun, BYTE_RULE);
  if ((iscsi.chapAuthDiscovery || iscsi.chapAuthSession) && !secretRef) faults.required(`${field}.secretRef`);
  if (secretRef) requireFields(secretRef, ['name'], `${field}.secretRef`, faults);
  if (initiatorName !== undefined) checkIscsiName(initiatorName, `${field}.initiatorname`, faults);
}

function checkIscsiName(name: string, field: string, faults: Faults): void {
  if (!ISCSI_NAMES.get(name.slice(0, 3))?.test(name)) faults.invalid(field, name, 'must be valid format');
}

/** The initiator needs an interface whose name holds the volume and the portal. */
export function checkIscsiPortal(volume: string, spec: Spec, field: string, faults: Faults): void {
  const { targetPortal = '', initiatorName } = spec.iscsi ?? {};
  if (initiatorName === undefined || `${volume}:${targetPortal}`.length <= PORTAL_MAX) return;
  const detail =
    'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
  faults.invalid(`${field}.iscsi.targetportal`, targetPortal, detail);
}

function checkFibreChannel(fc: Source<'fc'>, field: string, faults: Faults): void {
  const { targetWWNs = [], wwids = [], lun } = fc;
  if (targetWWNs.length === 0 && wwids.length === 0) {
    faults.required(`${field}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both');
  }
  if (targetWWNs.length === 0) return;
  if (wwids.length > 0) {
    const detail = 'targetWWNs and wwids can not be specified simultaneously';
    faults.invalid(`${field}.targetWWNs`, targetWWNs, detail);
  }
  if (lun === undefined) faults.required(`${field}.lun`, 'lun is required if targetWWNs is specified');
  else if (lun < 0 || lun > 255) faults.invalid(`${field}.lun`, lun, BYTE_RULE);
}

function checkFlexVolume(flex: Source<'flexVolume'>, field: string, faults: Faults): void {
  requireFields(flex, ['driver'], field, faults);
  for (const key in flex.options) {
    const domain = `.${key.split('/')[0]!.toLowerCase()}`;
    if (!domain.endsWith('.kubernetes.io') && !domain.endsWith('.k8s.io')) continue;
    faults.invalid(`${field}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved');
  }
}

const AZURE_CACHING = ['None', 'ReadOnly', 'ReadWrite'];
const AZURE_KINDS = ['Dedicated', 'Managed', 'Shared'];
const MANAGED_URI =
  '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
const BLOB_URI = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';

function checkAzureDisk(disk: Source<'azureDisk'>, field: string, faults: Faults): void {
  const { cachingMode, kind, diskURI = '' } = disk;
  requireFields(disk, ['diskName', 'diskURI'], field, faults);
  if (cachingMode !== undefined && !AZURE_CACHING.includes(cachingMode)) {
    faults.notSupported(`${field}.cachingMode`, cachingMode, AZURE_CACHING);
  }
  if (kind !== undefined && !AZURE_KINDS.includes(kind))
    faults.notSupported(`${field}.kind`, kind, AZURE_KINDS);
  const [begin, example] = kind === 'Managed' ? ['/subscriptions/', MANAGED_URI] : ['https://', BLOB_URI];
  if (kind !== undefined && !diskURI.startsWith(begin)) {
    faults.notSupported(`${field}.diskURI`, diskURI, [example]);
  }
}

function checkStorageOs(storage: Source<'storageos'>, field: string, faults: Faults): void {
  requireFields(storage, ['volumeName'], field, faults);
  for (const name of ['volumeName', 'volumeNamespace'] as const) {
    const value = storage[name];
    if (value) faults.invalidFor(`${field}.${name}`, value, dnsLabelFaults(value));
  }
  if (storage.secretRef)
    requireFields(storage.secretRef, ['name', 'namespace'], `${field}.secretRef`, faults);
}

const CSI_SECRETS = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

function checkCsi(csi: Source<'csi'>, field: string, faults: Faults): void {
  checkCsiDriverName(csi.driver, `${field}.driver`, faults);
  requireFields(csi, ['volumeHandle'], field, faults);
  for (const part of CSI_SECRETS) {
    const secret = csi[part];
    if (!secret) continue;
    const at = `${field}.${part}`;
    requireFields(secret, ['name'], at, faults);
    if (secret.name) faults.invalidFor(`${at}.name`, secret.name, dnsSubdomainFaults(secret.name));
    requireFields(secret, ['namespace'], at, faults);
    if (secret.namespace)
      faults.invalidFor(`${at}.namespace`, secret.namespace, dnsLabelFaults(secret.namespace));
  }
}

const DRIVER_NAME_MAX = 63;

/** Drivers are called by domain names. Source: CSI specification, GetPluginInfo. */
export function checkCsiDriverName(name: string | undefined, field: string, faults: Faults): void {
  if (!name) faults.required(field);
  if (name && name.length > DRIVER_NAME_MAX) faults.tooLong(field, DRIVER_NAME_MAX);
  faults.invalidFor(field, name ?? '', dnsSubdomainFaults((name ?? '').toLowerCase()));
}
