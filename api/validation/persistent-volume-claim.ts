/** Claims on volumes. Source: Kubernetes API reference, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus. */
import { compareQuantities, isQuantity } from '#machinery/values/quantity.ts';
import type { PersistentVolumeClaim } from '../objects.ts';
import { STORAGE_CLASS_ANNOTATION } from '../semantics/volumes.ts';
import { type Faults, sameData } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults, qualifiedNameFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';
import { checkBasicQuantity, checkPositiveQuantity } from './quantities.ts';
import { isNative } from './resource-names.ts';
import { checkAccessModes, checkVolumeMode } from './volume-modes.ts';

type Spec = NonNullable<PersistentVolumeClaim['spec']>;
type Status = NonNullable<PersistentVolumeClaim['status']>;
type Source = { apiGroup?: string; kind: string; name: string; namespace?: string };

export function checkClaim(claim: PersistentVolumeClaim, faults: Faults): void {
  checkClaimSpec(claim.spec ?? {}, 'spec', faults);
}

function checkClaimSpec(spec: Spec, field: string, faults: Faults): void {
  checkAccessModes(spec.accessModes, 'at least 1 access mode is required', `${field}.accessModes`, faults);
  checkLabelSelector(spec.selector, `${field}.selector`, faults);
  const storage = spec.resources?.requests?.storage;
  const at = `${field}.resources[storage]`;
  if (storage === undefined) faults.required(at);
  else checkPositiveQuantity(storage, at, faults);
  checkClassName(spec.storageClassName, `${field}.storageClassName`, faults);
  checkVolumeMode(spec.volumeMode, `${field}.volumeMode`, faults);
  checkDataSources(spec, field, faults);
  checkClassName(spec.volumeAttributesClassName, `${field}.volumeAttributesClassName`, faults);
}

function checkClassName(name: string | undefined, field: string, faults: Faults): void {
  if (name) faults.invalidFor(field, name, dnsSubdomainFaults(name));
}

function checkDataSources({ dataSource, dataSourceRef }: Spec, field: string, faults: Faults): void {
  if (dataSource) checkDataSource(dataSource, `${field}.dataSource`, faults);
  if (!dataSourceRef) return;
  checkDataSource(dataSourceRef, `${field}.dataSourceRef`, faults);
  if (dataSourceRef.namespace) {
    const details = dnsLabelFaults(dataSourceRef.namespace);
    faults.invalidFor(`${field}.dataSourceRef.namespace`, dataSourceRef.namespace, details);
  }
  if (!dataSource) return;
  const value = `${field}.dataSource`;
  if (dataSourceRef.namespace) {
    faults.invalid(field, value, 'may not be specified when dataSourceRef.namespace is specified');
  } else if (!sameData(dataSource, dataSourceRef)) faults.invalid(field, value, 'must match dataSourceRef');
}

function checkDataSource({ apiGroup = '', kind, name }: Source, field: string, faults: Faults): void {
  if (!name) faults.required(`${field}.name`);
  if (!kind) faults.required(`${field}.kind`);
  if (apiGroup) faults.invalidFor(`${field}.apiGroup`, apiGroup, dnsSubdomainFaults(apiGroup));
  else if (kind !== 'PersistentVolumeClaim') {
    const detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    faults.invalid(field, kind ?? '', detail);
  }
}

const IMMUTABLE =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** A claim says once what it wants; later only a bound one may ask for more room or another class of attributes. */
export function checkClaimUpdate(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
  faults: Faults,
): void {
  const spec = claim.spec ?? {};
  const before = old.spec ?? {};
  const classMoves = checkClassChange(claim, old, faults);
  const changed = changedFields(claim, before, classMoves);
  if (changed.length > 0) {
    const list = changed.map((name) => `spec.${name}`).join(', ');
    faults.forbidden('spec', `${IMMUTABLE}\nchanged: ${list}`);
  }
  checkShrink(spec, before, old.status?.capacity?.storage, faults);
  faults.immutable('volumeMode', spec.volumeMode, before.volumeMode);
  if (before.volumeAttributesClassName === undefined) return;
  const field = 'spec.volumeAttributesClassName';
  if (spec.volumeAttributesClassName === undefined) {
    faults.forbidden(field, 'update from non-nil value to nil is forbidden');
  } else if (spec.volumeAttributesClassName === '' && before.volumeAttributesClassName !== '') {
    faults.forbidden(field, 'update from non-nil value to an empty string is forbidden');
  }
}

/** Whether the class may differ: one is chosen where there was none, or the annotation becomes the field. */
function checkClassChange(claim: PersistentVolumeClaim, old: PersistentVolumeClaim, faults: Faults): boolean {
  const now = claim.spec?.storageClassName;
  const isFirst = now !== undefined && old.spec?.storageClassName === undefined;
  const annotation = claim.metadata.annotations?.[STORAGE_CLASS_ANNOTATION];
  const annotated = old.metadata.annotations?.[STORAGE_CLASS_ANNOTATION];
  const isUpgrade = isFirst && annotated === now && (annotation === undefined || annotation === annotated);
  if (!isUpgrade) {
    const field = `metadata.annotations.${STORAGE_CLASS_ANNOTATION}`;
    faults.immutable(field, annotation ?? '', annotated ?? '');
  }
  return isFirst && (annotated === undefined || annotated === now);
}

/** Top-level fields of the spec that differ once everything that may change is put back. */
function changedFields({ spec = {}, status }: PersistentVolumeClaim, before: Spec, classMoves: boolean) {
  const munged: Spec = { ...spec };
  // The volume is named once, by whoever binds the claim.
  if (!before.volumeName) munged.volumeName = before.volumeName;
  if (classMoves) munged.storageClassName = before.storageClassName;
  if (status?.phase === 'Bound') {
    if (spec.resources?.requests) {
      const storage = before.resources?.requests?.storage ?? '';
      munged.resources = { ...spec.resources, requests: { ...spec.resources.requests, storage } };
    }
    if (spec.volumeAttributesClassName !== undefined) {
      munged.volumeAttributesClassName = before.volumeAttributesClassName;
    }
  }
  const names = new Set([...Object.keys(munged), ...Object.keys(before)]) as Set<keyof Spec>;
  return [...names].filter((name) =>
    // No class at all is not the same as the class without a name.
    name === 'storageClassName' ? munged[name] !== before[name] : !sameData(munged[name], before[name]),
  );
}

function checkShrink(spec: Spec, before: Spec, capacity: string | undefined, faults: Faults): void {
  const size = spec.resources?.requests?.storage ?? '0';
  if (!isQuantity(size) || compareQuantities(size, before.resources?.requests?.storage ?? '0') >= 0) return;
  if (compareQuantities(size, capacity ?? '0') > 0) return;
  faults.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity');
}

const RESIZE_STATUSES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
];

/** Source: Kubernetes API reference, PersistentVolumeClaimStatus. */
export function checkClaimStatus(status: Status | undefined, faults: Faults): void {
  const { capacity, allocatedResources, allocatedResourceStatuses } = status ?? {};
  for (const name in capacity) checkBasicQuantity(capacity[name]!, `status.capacity[${name}]`, faults);
  for (const name in allocatedResourceStatuses) {
    const field = 'status.allocatedResourceStatus';
    checkResourceKey(name, field, faults);
    if (!RESIZE_STATUSES.includes(allocatedResourceStatuses[name]!)) {
      faults.notSupported(field, name, RESIZE_STATUSES);
    }
  }
  for (const name in allocatedResources) {
    const field = 'status.allocatedResources';
    if (!checkResourceKey(name, field, faults)) continue;
    checkBasicQuantity(allocatedResources[name]!, `${field}[${name}]`, faults);
  }
}

/** Of Kubernetes' own resources a claim only has storage. */
function checkResourceKey(name: string, field: string, faults: Faults): boolean {
  const details = qualifiedNameFaults(name);
  faults.invalidFor(field, name, details);
  if (details.length > 0) return false;
  if (!isNative(name) || name === 'storage') return true;
  faults.notSupported(field, name, ['storage']);
  return false;
}
