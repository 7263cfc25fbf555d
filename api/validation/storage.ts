/** Classes of storage. Source: Kubernetes API reference, StorageClass, VolumeAttributesClass. */
import type { StorageClass, VolumeAttributesClass } from '../objects.ts';
import { type Faults, sameData } from './faults.ts';
import { qualifiedNameFaults } from './names.ts';

type Topology = NonNullable<StorageClass['allowedTopologies']>[number];
type Requirement = NonNullable<Topology['matchLabelExpressions']>[number];

const PARAMETERS_MAX = 512;
const PARAMETERS_MAX_BYTES = 256 * 1024;
const RECLAIM_POLICIES = ['Delete', 'Retain'];
const BINDING_MODES = ['Immediate', 'WaitForFirstConsumer'];

export function checkStorageClass(storageClass: StorageClass, faults: Faults): void {
  checkDriver(storageClass.provisioner, 'provisioner', faults);
  checkParameters(storageClass.parameters, faults);
  const { reclaimPolicy, volumeBindingMode } = storageClass;
  if (reclaimPolicy && !RECLAIM_POLICIES.includes(reclaimPolicy)) {
    faults.notSupported('reclaimPolicy', reclaimPolicy, RECLAIM_POLICIES);
  }
  if (!BINDING_MODES.includes(volumeBindingMode ?? '')) {
    faults.notSupported('volumeBindingMode', volumeBindingMode, BINDING_MODES);
  }
  checkTopologies(storageClass.allowedTopologies ?? [], 'allowedTopologies', faults);
}

export function checkStorageClassUpdate(now: StorageClass, old: StorageClass, faults: Faults): void {
  for (const field of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
    if (!sameData(now[field], old[field])) faults.forbidden(field, `updates to ${field} are forbidden.`);
  }
  faults.immutable('volumeBindingMode', now.volumeBindingMode, old.volumeBindingMode);
}

export function checkVolumeAttributesClass(attributes: VolumeAttributesClass, faults: Faults): void {
  checkDriver(attributes.driverName, 'driverName', faults);
  checkParameters(attributes.parameters, faults);
  if (Object.keys(attributes.parameters ?? {}).length === 0) {
    faults.required('parameters', 'must contain at least one key/value pair');
  }
}

export function checkVolumeAttributesClassUpdate(
  now: VolumeAttributesClass,
  old: VolumeAttributesClass,
  faults: Faults,
): void {
  for (const field of ['driverName', 'parameters'] as const) {
    if (!sameData(now[field], old[field])) faults.forbidden(field, `updates to ${field} are forbidden.`);
  }
}

/** Who makes the volumes of a class: a qualified name, in whatever case. */
function checkDriver(name: string | undefined, field: string, faults: Faults): void {
  if (!name) faults.required(field);
  else faults.invalidFor(field, name.toLowerCase(), qualifiedNameFaults(name.toLowerCase()));
}

function checkParameters(parameters: Record<string, string> | undefined, faults: Faults): void {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > PARAMETERS_MAX) {
    faults.tooLong('parameters', PARAMETERS_MAX);
    return;
  }
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') faults.invalid('parameters', key, 'field can not be empty.');
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > PARAMETERS_MAX_BYTES) faults.tooLong('parameters', PARAMETERS_MAX_BYTES);
}

/** No two terms say the same, and none says nothing. */
function checkTopologies(topologies: readonly Topology[], field: string, faults: Faults): void {
  const seen = new Set(['[]']);
  for (const [index, term] of topologies.entries()) {
    const at = `${field}[${index}].matchLabelExpressions`;
    const values: Record<string, string[]> = {};
    for (const [position, requirement] of (term.matchLabelExpressions ?? []).entries()) {
      checkTopologyRequirement(requirement, `${at}[${position}]`, faults);
      const { key } = requirement;
      if (key in values) faults.duplicate(`${at}[${position}].key`, key);
      values[key] = [...new Set(requirement.values)].sort();
    }
    const said = JSON.stringify(Object.entries(values).sort());
    if (seen.has(said)) faults.duplicate(at, '');
    seen.add(said);
  }
}

function checkTopologyRequirement({ key, values }: Requirement, field: string, faults: Faults): void {
  if (!values?.length) faults.required(`${field}.values`);
  const seen = new Set<string>();
  for (const [index, value] of (values ?? []).entries()) {
    if (seen.has(value)) faults.duplicate(`${field}.values[${index}]`, value);
    seen.add(value);
  }
  faults.invalidFor(`${field}.key`, key ?? '', qualifiedNameFaults(key ?? ''));
}
