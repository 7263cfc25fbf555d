/** Volumes of a pod and their mounts. Source: Kubernetes API reference, Volume, VolumeMount. */
import type { Container, Volume } from '../objects.ts';
import { checkFieldRef, checkResourceFieldRef, FILE_FIELDS } from './env.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults } from './names.ts';

type Mount = NonNullable<Container['volumeMounts']>[number];
type KeyToPath = { key: string; path: string; mode?: number };
type Files = { defaultMode?: number; items?: KeyToPath[] };
type DownwardFile = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number];
type Projected = NonNullable<Volume['projected']>;
type Token = NonNullable<NonNullable<Projected['sources']>[number]['serviceAccountToken']>;

const MODE_RULE = 'must be a number between 0 and 0777 (octal), both inclusive';
const TOKEN_SECONDS_MIN = 600;
const TOKEN_SECONDS_MAX = 2 ** 32;

/** The names of those that nothing is wrong with: what can be mounted. */
export function checkVolumes(volumes: Volume[] | undefined, field: string, faults: Faults): Set<string> {
  const names = new Set<string>();
  for (const [index, volume] of (volumes ?? []).entries()) {
    const at = `${field}[${index}]`;
    const before = faults.list.length;
    checkSource(volume, at, faults);
    if (!volume.name) faults.required(`${at}.name`);
    else faults.invalidFor(`${at}.name`, volume.name, dnsLabelFaults(volume.name));
    if (names.has(volume.name)) faults.duplicate(`${at}.name`, volume.name);
    if (faults.list.length === before) names.add(volume.name);
  }
  return names;
}

type SourceName = Exclude<keyof Volume, 'name'>;

/** All there are, in the order of Kubernetes: the first that is given counts. */
const SOURCES: readonly SourceName[] = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

/** Kubernetes misspells some of those that are too many. */
const MISSPELT: Partial<Record<SourceName, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };

function checkSource(volume: Volume, at: string, faults: Faults): void {
  // One without any is an emptyDir by default.
  const [first = 'emptyDir', ...others] = SOURCES.filter((name) => volume[name]);
  CHECKS[first]?.(volume, `${at}.${first}`, faults);
  for (const extra of others)
    faults.forbidden(`${at}.${MISSPELT[extra] ?? extra}`, 'may not specify more than 1 volume type');
}

const CHECKS: Partial<Record<SourceName, (volume: Volume, field: string, faults: Faults) => void>> = {
  emptyDir({ emptyDir }, field, faults) {
    if (emptyDir!.sizeLimit?.startsWith('-'))
      faults.forbidden(`${field}.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
  },
  hostPath({ hostPath }, field, faults) {
    checkHostPath(hostPath!, field, faults);
  },
  secret({ secret }, field, faults) {
    if (!secret!.secretName) faults.required(`${field}.secretName`);
    checkFiles(secret!, field, faults);
  },
  persistentVolumeClaim({ persistentVolumeClaim }, field, faults) {
    if (!persistentVolumeClaim!.claimName) faults.required(`${field}.claimName`);
  },
  downwardAPI({ downwardAPI }, field, faults) {
    checkMode(downwardAPI!.defaultMode, `${field}.defaultMode`, faults);
    for (const file of downwardAPI!.items ?? []) checkDownwardFile(file, field, faults);
  },
  configMap({ configMap }, field, faults) {
    if (!configMap!.name) faults.required(`${field}.name`);
    checkFiles(configMap!, field, faults);
  },
  projected({ projected }, field, faults) {
    checkMode(projected!.defaultMode, `${field}.defaultMode`, faults);
    checkProjected(projected!, field, faults);
  },
};

/** A path of the node, in a pod or behind a persistent volume. */
export function checkHostPath(
  { path, type = '' }: { path: string; type?: string },
  field: string,
  faults: Faults,
): void {
  if (!path) {
    faults.required(`${field}.path`);
    return;
  }
  checkNoBacksteps(path, `${field}.path`, faults);
  if (!HOST_PATH_TYPES.includes(type)) faults.notSupported(`${field}.type`, type, HOST_PATH_TYPES);
}

const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

function checkFiles({ defaultMode, items }: Files, field: string, faults: Faults): void {
  checkMode(defaultMode, `${field}.defaultMode`, faults);
  for (const [index, item] of (items ?? []).entries()) checkFile(item, `${field}.items[${index}]`, faults);
}

function checkFile({ key, path, mode }: KeyToPath, field: string, faults: Faults): void {
  if (!key) faults.required(`${field}.key`);
  if (!path) faults.required(`${field}.path`);
  else checkInnerPath(path, `${field}.path`, faults);
  checkMode(mode, `${field}.mode`, faults);
}

/** Kubernetes names these without the list they stand in. */
function checkDownwardFile(file: DownwardFile, field: string, faults: Faults): void {
  if (!file.path) faults.required(`${field}.path`);
  else checkInnerPath(file.path, `${field}.path`, faults);
  if (file.fieldRef) {
    checkFieldRef(file.fieldRef, FILE_FIELDS, `${field}.fieldRef`, faults);
    if (file.resourceFieldRef) {
      const detail = 'fieldRef and resourceFieldRef can not be specified simultaneously';
      faults.invalid(field, 'resource', detail);
    }
  } else if (file.resourceFieldRef) {
    checkResourceFieldRef(file.resourceFieldRef, `${field}.resourceFieldRef`, faults, true);
  } else faults.required(field, 'one of fieldRef and resourceFieldRef is required');
  checkMode(file.mode, `${field}.mode`, faults);
}

function checkProjected(projected: Projected, field: string, faults: Faults): void {
  const paths = new Set<string>();
  /** `value` is what Kubernetes shows instead of the path. */
  const checkUnique = (path: string, value: string) => {
    if (path && paths.has(path)) faults.invalid(field, value, 'conflicting duplicate paths');
    paths.add(path);
  };
  for (const [index, source] of (projected.sources ?? []).entries()) {
    const at = `${field}.sources[${index}]`;
    for (const name of ['secret', 'configMap'] as const) {
      const part = source[name];
      if (!part) continue;
      if (!part.name) faults.required(`${at}.${name}.name`);
      for (const [nth, item] of (part.items ?? []).entries()) {
        checkFile(item, `${at}.${name}.items[${nth}]`, faults);
        checkUnique(item.path, part.name ?? '');
      }
    }
    for (const file of source.downwardAPI?.items ?? []) {
      checkDownwardFile(file, `${at}.downwardAPI`, faults);
      checkUnique(file.path, file.path);
    }
    if (source.serviceAccountToken) checkToken(source.serviceAccountToken, at, field, faults);
    if (Object.values(source).filter(Boolean).length > 1)
      faults.forbidden(at, 'may not specify more than 1 volume type per source');
  }
}

/** Kubernetes takes the path for one of the whole volume. */
function checkToken(token: Token, at: string, field: string, faults: Faults): void {
  const seconds = token.expirationSeconds ?? TOKEN_SECONDS_MIN;
  const where = `${at}.serviceAccountToken.expirationSeconds`;
  if (seconds < TOKEN_SECONDS_MIN)
    faults.invalid(where, seconds, 'may not specify a duration less than 10 minutes');
  if (seconds > TOKEN_SECONDS_MAX)
    faults.invalid(where, seconds, 'may not specify a duration larger than 2^32 seconds');
  if (!token.path) faults.required(`${field}.path`);
  else checkInnerPath(token.path, `${field}.path`, faults);
}

function checkMode(mode: number | undefined, field: string, faults: Faults): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) faults.invalid(field, mode, MODE_RULE);
}

/** A path inside a volume: relative, and never up. */
function checkInnerPath(path: string, field: string, faults: Faults): void {
  checkDescendingPath(path, field, faults);
  if (path.startsWith('..') && !path.startsWith('../'))
    faults.invalid(field, path, "must not start with '..'");
}

export function checkDescendingPath(path: string, field: string, faults: Faults): void {
  if (path.startsWith('/')) faults.invalid(field, path, 'must be a relative path');
  checkNoBacksteps(path, field, faults);
}

/** No part of the path goes up. */
export function checkNoBacksteps(path: string, field: string, faults: Faults): void {
  if (path.split('/').includes('..')) faults.invalid(field, path, "must not contain '..'");
}

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'];
const RECURSIVE = ['Disabled', 'Enabled', 'IfPossible'];

export function checkVolumeMounts(
  container: Container,
  volumes: ReadonlySet<string>,
  field: string,
  faults: Faults,
): void {
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (!mount.name) faults.required(`${at}.name`);
    if (!volumes.has(mount.name)) faults.notFound(`${at}.name`, mount.name ?? '');
    if (!mount.mountPath) faults.required(`${at}.mountPath`);
    if (paths.has(mount.mountPath)) faults.invalid(`${at}.mountPath`, mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    checkSubPaths(mount, field, at, faults);
    checkPropagation(mount, container, `${field}.mountPropagation`, faults);
    checkRecursiveReadOnly(mount, `${field}.recursiveReadOnly`, faults);
  }
}

function checkPropagation(mount: Mount, container: Container, field: string, faults: Faults): void {
  const propagation = mount.mountPropagation;
  if (propagation === undefined) return;
  if (!PROPAGATIONS.includes(propagation)) faults.notSupported(field, propagation, PROPAGATIONS);
  if (propagation === 'Bidirectional' && !container.securityContext?.privileged) {
    const detail = 'Bidirectional mount propagation is available only to privileged containers';
    faults.forbidden(field, detail);
  }
}

function checkRecursiveReadOnly(mount: Mount, field: string, faults: Faults): void {
  const { recursiveReadOnly: recursive, mountPropagation: propagation, readOnly } = mount;
  if (recursive === undefined || recursive === 'Disabled') return;
  if (!RECURSIVE.includes(recursive)) {
    faults.notSupported(field, recursive, RECURSIVE);
    return;
  }
  if (!readOnly) faults.forbidden(field, 'may only be specified when readOnly is true');
  if (propagation !== undefined && propagation !== 'None')
    faults.forbidden(field, 'may only be specified when mountPropagation is None or not specified');
}

/** Kubernetes names these fields without the index of the mount. */
function checkSubPaths(mount: Mount, field: string, at: string, faults: Faults): void {
  if (mount.subPath) checkDescendingPath(mount.subPath, `${field}.subPath`, faults);
  if (!mount.subPathExpr) return;
  if (mount.subPath) {
    faults.invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
  }
  checkDescendingPath(mount.subPathExpr, `${field}.subPathExpr`, faults);
}
