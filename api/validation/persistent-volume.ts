/** Volumes that outlive pods. Source: Kubernetes API reference, PersistentVolumeSpec. */
import { posix } from 'node:path';
import type { PersistentVolume } from '../objects.ts';
import type { NodeSelector } from '../semantics/node-affinity.ts';
import { type Faults, sameData } from './faults.ts';
import { dnsSubdomainFaults } from './names.ts';
import { checkIscsiPortal, SOURCES, type SourceName } from './persistent-volume-sources.ts';
import { checkBasicQuantity, checkPositiveQuantity } from './quantities.ts';
import { checkNodeSelector } from './scheduling.ts';
import { checkAccessModes, checkVolumeMode } from './volume-modes.ts';

type Spec = NonNullable<PersistentVolume['spec']>;

const RECLAIM_POLICIES = ['Delete', 'Recycle', 'Retain'];
const SOURCE_NAMES = Object.keys(SOURCES) as SourceName[];

export function checkVolume(volume: PersistentVolume, faults: Faults): void {
  const spec = volume.spec ?? {};
  checkAccessModes(spec.accessModes, '', 'spec.accessModes', faults);
  checkCapacity(spec.capacity, 'spec.capacity', faults);
  const policy = spec.persistentVolumeReclaimPolicy;
  if (policy && !RECLAIM_POLICIES.includes(policy)) {
    faults.notSupported('spec.persistentVolumeReclaimPolicy', policy, RECLAIM_POLICIES);
  }
  if (spec.nodeAffinity) checkVolumeAffinity(spec.nodeAffinity, 'spec.nodeAffinity', faults);
  checkSource(spec, volume.metadata.name, 'spec', faults);
  if (spec.storageClassName) {
    const details = dnsSubdomainFaults(spec.storageClassName);
    faults.invalidFor('spec.storageClassName', spec.storageClassName, details);
  }
  checkVolumeMode(spec.volumeMode, 'spec.volumeMode', faults);
  checkAttributesClass(spec, faults);
}

function checkCapacity(capacity: Spec['capacity'], field: string, faults: Faults): void {
  const names = Object.keys(capacity ?? {});
  if (names.length === 0) faults.required(field);
  if (names.length !== 1 || names[0] !== 'storage') faults.notSupported(field, capacity, ['storage']);
  for (const name of names) {
    checkBasicQuantity(capacity![name]!, `${field}[${name}]`, faults);
    checkPositiveQuantity(capacity![name]!, `${field}[${name}]`, faults);
  }
}

function checkVolumeAffinity(
  affinity: NonNullable<Spec['nodeAffinity']>,
  field: string,
  faults: Faults,
): void {
  const at = `${field}.required`;
  if (affinity.required) checkNodeSelector(affinity.required as NodeSelector, at, faults);
  else faults.required(at, 'must specify required node constraints');
}

/** One kind of storage, and what it asks of the rest of the spec. */
function checkSource(spec: Spec, volume: string, field: string, faults: Faults): void {
  const [first, ...others] = SOURCE_NAMES.filter((name) => spec[name]);
  if (!first) faults.required(field, 'must specify a volume type');
  else {
    const check = SOURCES[first] as (source: unknown, field: string, faults: Faults) => void;
    check(spec[first], `${field}.${first}`, faults);
  }
  for (const other of others) {
    const name = other === 'cephfs' ? 'cephFS' : other;
    faults.forbidden(`${field}.${name}`, 'may not specify more than 1 volume type');
  }
  checkIscsiPortal(volume, spec, field, faults);
  if (spec.local && !spec.nodeAffinity) {
    faults.required(`${field}.nodeAffinity`, 'Local volume requires node affinity');
  }
  const isRoot = spec.hostPath?.path && posix.normalize(`${spec.hostPath.path}/`) === '/';
  if (isRoot && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const at = `${field}.persistentVolumeReclaimPolicy`;
    faults.forbidden(at, "may not be 'recycle' for a hostPath mount of '/'");
  }
}

function checkAttributesClass(spec: Spec, faults: Faults): void {
  const name = spec.volumeAttributesClassName;
  if (name === undefined) return;
  const field = 'spec.volumeAttributesClassName';
  if (name === '') faults.required(field, 'an empty string is disallowed');
  else faults.invalidFor(field, name, dnsSubdomainFaults(name));
  if (!spec.csi) faults.required('spec.csi', 'has to be specified when using volumeAttributesClassName');
}

/** The volume of an attachment that no PersistentVolume stands for: only CSI, and nothing that is about claims. */
export function checkInlineVolume(spec: Spec, field: string, faults: Faults): void {
  const refuse = (part: string) =>
    faults.forbidden(`${field}.${part}`, 'may not be specified in the context of inline volumes');
  if (spec.claimRef) refuse('claimRef');
  if (Object.keys(spec.capacity ?? {}).length > 0) refuse('capacity');
  if (!spec.csi) faults.required(`${field}.csi`, 'has to be specified in the context of inline volumes');
  checkAccessModes(spec.accessModes, '', `${field}.accessModes`, faults);
  const policy = spec.persistentVolumeReclaimPolicy;
  if (policy && policy !== 'Retain') {
    const detail = 'may only be Retain in the context of inline volumes';
    faults.forbidden(`${field}.persistentVolumeReclaimPolicy`, detail);
  }
  if (spec.nodeAffinity) refuse('nodeAffinity');
  checkSource(spec, '', field, faults);
  if (spec.storageClassName) refuse('storageClassName');
  if (spec.volumeMode !== undefined && spec.volumeMode !== 'Filesystem') {
    const detail = 'may not specify volumeMode other than Filesystem in the context of inline volumes';
    faults.forbidden(`${field}.volumeMode`, detail);
  }
}

/** Where a volume is never changes; where it can be reached may be said once. */
export function checkVolumeUpdate(volume: PersistentVolume, old: PersistentVolume, faults: Faults): void {
  const spec = { ...volume.spec };
  const before = old.spec ?? {};
  if (spec.csi && before.csi && !before.csi.controllerExpandSecretRef) {
    spec.csi = { ...spec.csi, controllerExpandSecretRef: undefined };
  }
  const changed = SOURCE_NAMES.filter((name) => !sameData(spec[name], before[name]));
  if (changed.length > 0) {
    const list = changed.map((name) => `spec.${name}`).join(', ');
    const detail = `spec.persistentvolumesource is immutable after creation\nchanged: ${list}`;
    faults.forbidden('spec.persistentvolumesource', detail);
  }
  faults.immutable('volumeMode', spec.volumeMode, before.volumeMode);
  if (before.nodeAffinity && !isRelabelled(spec.nodeAffinity, before.nodeAffinity)) {
    faults.immutable('nodeAffinity', spec.nodeAffinity, before.nodeAffinity);
  }
  if (before.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
    const detail = 'update from non-nil value to nil is forbidden';
    faults.forbidden('spec.volumeAttributesClassName', detail);
  }
}

/** What labels of nodes were called before they had their final names. */
const OLD_LABELS = new Map([
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['beta.kubernetes.io/instance-type', 'node.kubernetes.io/instance-type'],
  ['beta.kubernetes.io/os', 'kubernetes.io/os'],
  ['beta.kubernetes.io/arch', 'kubernetes.io/arch'],
]);

/** Whether nothing but the names of such labels differs. */
function isRelabelled(now: Spec['nodeAffinity'], before: Spec['nodeAffinity']): boolean {
  const terms = structuredClone(before?.required?.nodeSelectorTerms ?? []);
  for (const [at, term] of terms.entries()) {
    for (const [index, expression] of (term.matchExpressions ?? []).entries()) {
      const key = now?.required?.nodeSelectorTerms[at]?.matchExpressions?.[index]?.key;
      if (key !== undefined && OLD_LABELS.get(expression.key) === key) expression.key = key;
    }
  }
  return sameData(now?.required?.nodeSelectorTerms, terms);
}
