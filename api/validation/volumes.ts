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

const MODE_RULE = 'must be a number between 0 and 0777 (octal), both inclusive';
const TOKEN_SECONDS_MIN = 600;

export function checkVolumes(volumes: Volume[] | undefined, field: string, faults: Faults): void {
  const names = new Set<string>();
  for (const [index, volume] of (volumes ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (!volume.name) faults.required(`${at}.name`);
    else {
      const details = dnsLabelFaults(volume.name);
      faults.invalidFor(`${at}.name`, volume.name, details);
      if (details.length === 0 && names.has(volume.name)) faults.duplicate(`${at}.name`, volume.name);
      names.add(volume.name);
    }
    checkSource(volume, at, faults);
  }
}

function checkSource(volume: Volume, at: string, faults: Faults): void {
  const sources = Object.entries(volume).filter(([key, source]) => key !== 'name' && source);
  if (sources.length === 0) {
    faults.required(at, 'must specify a volume type');
    return;
  }
  for (const [extra] of sources.slice(1)) {
    faults.forbidden(`${at}.${extra}`, 'may not specify more than 1 volume type');
  }
  const { hostPath, secret, configMap, downwardAPI, projected, emptyDir, persistentVolumeClaim } = volume;
  if (hostPath) checkHostPath(hostPath, `${at}.hostPath`, faults);
  if (secret) {
    if (!secret.secretName) faults.required(`${at}.secret.secretName`);
    checkFiles(secret, `${at}.secret`, faults);
  }
  if (configMap) {
    if (!configMap.name) faults.required(`${at}.configMap.name`);
    checkFiles(configMap, `${at}.configMap`, faults);
  }
  if (downwardAPI) {
    checkMode(downwardAPI.defaultMode, `${at}.downwardAPI.defaultMode`, faults);
    checkDownwardFiles(downwardAPI.items, `${at}.downwardAPI.items`, faults);
  }
  if (projected) checkProjected(projected, `${at}.projected`, faults);
  if (emptyDir?.sizeLimit?.startsWith('-')) {
    faults.forbidden(`${at}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
  }
  if (persistentVolumeClaim && !persistentVolumeClaim.claimName) {
    faults.required(`${at}.persistentVolumeClaim.claimName`);
  }
}

/** A path of the node, in a pod or behind a persistent volume. */
export function checkHostPath(
  { path, type = '' }: { path: string; type?: string },
  field: string,
  faults: Faults,
): void {
  if (!path) faults.required(`${field}.path`);
  else checkNoBacksteps(path, `${field}.path`, faults);
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
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${field}.items[${index}]`;
    if (!item.key) faults.required(`${at}.key`);
    if (!item.path) faults.required(`${at}.path`);
    else checkInnerPath(item.path, `${at}.path`, faults);
    checkMode(item.mode, `${at}.mode`, faults);
  }
}

function checkDownwardFiles(items: DownwardFile[] | undefined, field: string, faults: Faults): void {
  for (const item of items ?? []) {
    if (!item.path) faults.required(`${field}.path`);
    else checkInnerPath(item.path, `${field}.path`, faults);
    if (item.fieldRef) {
      checkFieldRef(item.fieldRef, FILE_FIELDS, `${field}.fieldRef`, faults);
      if (item.resourceFieldRef) {
        faults.invalid(
          field,
          'resource',
          'fieldRef and resourceFieldRef can not be specified simultaneously',
        );
      }
    } else if (item.resourceFieldRef) {
      checkResourceFieldRef(item.resourceFieldRef, `${field}.resourceFieldRef`, faults, true);
    } else faults.required(`${field}.fieldRef`, 'one of fieldRef and resourceFieldRef is required');
    checkMode(item.mode, `${field}.mode`, faults);
  }
}

function checkProjected(projected: Projected, field: string, faults: Faults): void {
  checkMode(projected.defaultMode, `${field}.defaultMode`, faults);
  for (const [index, source] of (projected.sources ?? []).entries()) {
    const at = `${field}.sources[${index}]`;
    const given = Object.entries(source).filter(([, part]) => part);
    for (const [extra] of given.slice(1)) {
      faults.forbidden(`${at}.${extra}`, 'may not specify more than 1 volume type per source');
    }
    for (const name of ['secret', 'configMap'] as const) {
      const part = source[name];
      if (!part) continue;
      if (!part.name) faults.required(`${at}.${name}.name`);
      checkFiles({ items: part.items }, `${at}.${name}`, faults);
    }
    checkDownwardFiles(source.downwardAPI?.items, `${at}.downwardAPI`, faults);
    const token = source.serviceAccountToken;
    if (!token) continue;
    if (!token.path) faults.required(`${at}.serviceAccountToken.path`);
    else checkInnerPath(token.path, `${at}.serviceAccountToken.path`, faults);
    if ((token.expirationSeconds ?? TOKEN_SECONDS_MIN) < TOKEN_SECONDS_MIN) {
      const detail = 'may not specify a duration less than 10 minutes';
      faults.invalid(`${at}.serviceAccountToken.expirationSeconds`, token.expirationSeconds, detail);
    }
  }
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
    const propagation = mount.mountPropagation;
    if (propagation === undefined) continue;
    if (!PROPAGATIONS.includes(propagation)) {
      faults.notSupported(`${field}.mountPropagation`, propagation, PROPAGATIONS);
    } else if (propagation === 'Bidirectional' && !container.securityContext?.privileged) {
      const detail = 'Bidirectional mount propagation is available only to privileged containers';
      faults.forbidden(`${field}.mountPropagation`, detail);
    }
  }
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
