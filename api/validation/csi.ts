/** Storage drivers, on nodes and in the cluster. Source: Kubernetes API reference, group storage.k8s.io. */
import type { CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment } from '../objects.ts';
import { type Faults, sameData } from './faults.ts';
import { dnsSubdomainFaults, qualifiedNameFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';
import { checkInlineVolume } from './persistent-volume.ts';
import { checkCsiDriverName } from './persistent-volume-sources.ts';
import { checkQuantityNotNegative } from './quantities.ts';

type DriverSpec = CSIDriver['spec'];
type NodeDriver = CSINode['spec']['drivers'][number];
type AttachmentStatus = NonNullable<VolumeAttachment['status']>;

const GROUP_POLICIES = ['File', 'None', 'ReadWriteOnceWithFSType'];
const LIFECYCLES = ['Persistent', 'Ephemeral'];
const TOKEN_SECONDS_MIN = 600;
const TOKEN_SECONDS_MAX = 2 ** 32;
const UPDATE_SECONDS_MIN = 10;

export function checkCsiDriver({ spec }: CSIDriver, faults: Faults): void {
  const { fsGroupPolicy, tokenRequests, volumeLifecycleModes } = spec;
  if (fsGroupPolicy !== undefined && !GROUP_POLICIES.includes(fsGroupPolicy)) {
    faults.notSupported('spec.fsGroupPolicy', fsGroupPolicy, GROUP_POLICIES);
  }
  checkTokenRequests(tokenRequests, faults);
  for (const mode of volumeLifecycleModes ?? []) {
    if (!LIFECYCLES.includes(mode)) faults.notSupported('spec.volumeLifecycleModes', mode, LIFECYCLES);
  }
  const seconds = spec.nodeAllocatableUpdatePeriodSeconds;
  if (seconds !== undefined && seconds < UPDATE_SECONDS_MIN) {
    const detail = 'must be greater than or equal to 10 seconds';
    faults.invalid('spec.nodeAllocatableUpdatePeriodSeconds', seconds, detail);
  }
  if (spec.serviceAccountTokenInSecrets !== undefined && !tokenRequests?.length) {
    const detail = 'may only be set when tokenRequests is specified';
    faults.invalid('spec.serviceAccountTokenInSecrets', spec.serviceAccountTokenInSecrets, detail);
  }
}

/** One token for each audience. */
function checkTokenRequests(requests: DriverSpec['tokenRequests'], faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, { audience = '', expirationSeconds: seconds }] of (requests ?? []).entries()) {
    const at = `spec.tokenRequests[${index}]`;
    if (seen.has(audience)) {
      faults.duplicate(`${at}.audience`, audience);
      continue;
    }
    seen.add(audience);
    if (seconds === undefined) continue;
    const field = `${at}.expirationSeconds`;
    if (seconds < TOKEN_SECONDS_MIN)
      faults.invalid(field, seconds, 'may not specify a duration less than 10 minutes');
    if (seconds > TOKEN_SECONDS_MAX)
      faults.invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds');
  }
}

export function checkCsiDriverUpdate(driver: CSIDriver, old: CSIDriver, faults: Faults): void {
  const { attachRequired, volumeLifecycleModes }: DriverSpec = driver.spec ?? {};
  const before: DriverSpec = old.spec ?? {};
  // Kubernetes calls the first field so.
  faults.immutable('spec.attachedRequired', attachRequired, before.attachRequired);
  faults.immutable('spec.volumeLifecycleModes', volumeLifecycleModes, before.volumeLifecycleModes);
}

export function checkCsiNode({ spec }: CSINode, faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, driver] of (spec.drivers ?? []).entries()) {
    const at = `spec.drivers[${index}]`;
    checkNodeDriver(driver, at, faults);
    if (seen.has(driver.name)) faults.duplicate(`${at}.name`, driver.name);
    seen.add(driver.name);
  }
}

const NODE_ID_MAX = 256;

function checkNodeDriver(driver: NodeDriver, at: string, faults: Faults): void {
  const { name, nodeID, allocatable, topologyKeys } = driver;
  checkCsiDriverName(name, `${at}.name`, faults);
  if (!nodeID) faults.required(`${at}.nodeID`);
  else if (nodeID.length > NODE_ID_MAX) {
    faults.invalid(`${at}.nodeID`, nodeID, `must be ${NODE_ID_MAX} characters or less`);
  }
  faults.notNegative(`${at}.allocatable.count`, allocatable?.count);
  const seen = new Set<string>();
  for (const key of topologyKeys ?? []) {
    if (!key) faults.required(at);
    if (seen.has(key)) faults.duplicate(at, key);
    seen.add(key);
    faults.invalidFor(at, key, qualifiedNameFaults(key));
  }
}

/** A driver on a node stays as it is, but for how many volumes it can take. */
export function checkCsiNodeUpdate(node: CSINode, old: CSINode, faults: Faults): void {
  for (const before of old.spec?.drivers ?? []) {
    const driver = (node.spec?.drivers ?? []).find(({ name }) => name === before.name);
    if (!driver || sameData({ ...driver, allocatable: before.allocatable }, before)) continue;
    faults.invalid('spec.drivers', driver, 'field is immutable');
  }
}

export function checkCsiStorageCapacity(capacity: CSIStorageCapacity, faults: Faults): void {
  checkLabelSelector(capacity.nodeTopology, 'nodeTopology', faults);
  const { storageClassName = '' } = capacity;
  faults.invalidFor('storageClassName', storageClassName, dnsSubdomainFaults(storageClassName));
  if (capacity.capacity !== undefined) checkQuantityNotNegative(capacity.capacity, 'capacity', faults);
}

/** For whom the capacity is meant does not change. */
export function checkCsiStorageCapacityUpdate(
  now: CSIStorageCapacity,
  old: CSIStorageCapacity,
  faults: Faults,
): void {
  faults.immutable('nodeTopology', now.nodeTopology, old.nodeTopology);
  faults.immutable('storageClassName', now.storageClassName, old.storageClassName);
}

const ONE_SOURCE = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';

export function checkVolumeAttachment({ spec }: VolumeAttachment, faults: Faults): void {
  const { source = {}, nodeName = '', attacher } = spec ?? {};
  const { inlineVolumeSpec: inline, persistentVolumeName: volume } = source;
  if (!attacher) faults.required('spec.attacher');
  if (inline && volume !== undefined) faults.forbidden('spec.source', ONE_SOURCE);
  else if (inline) checkInlineVolume(inline, 'spec.source.inlineVolumeSpec', faults);
  else if (volume === undefined) faults.required('spec.source', ONE_SOURCE);
  else if (volume === '') {
    const detail = 'must specify non empty persistentVolumeName';
    faults.required('spec.source.persistentVolumeName', detail);
  }
  faults.invalidFor('spec.nodeName', nodeName, dnsSubdomainFaults(nodeName));
  if (attacher) checkCsiDriverName(attacher, 'spec.attacher', faults);
  if (volume) faults.invalidFor('spec.source.persistentVolumeName', volume, dnsSubdomainFaults(volume));
}

const METADATA_MAX_BYTES = 256 * 1024;
const MESSAGE_MAX_BYTES = 1024;

/** What the attacher reports. */
export function checkVolumeAttachmentStatus(status: AttachmentStatus | undefined, faults: Faults): void {
  const entries = Object.entries(status?.attachmentMetadata ?? {});
  const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.join('')), 0);
  if (bytes > METADATA_MAX_BYTES) faults.tooLong('status.attachmentMetadata', METADATA_MAX_BYTES);
  for (const name of ['attachError', 'detachError'] as const) {
    const { message = '', errorCode } = status?.[name] ?? {};
    // Kubernetes holds the message to the one limit and names the other.
    if (Buffer.byteLength(message) > MESSAGE_MAX_BYTES)
      faults.tooLong(`status.${name}.message`, METADATA_MAX_BYTES);
    if (errorCode !== undefined && errorCode < 0) {
      faults.invalid(`status.${name}.errorCode`, errorCode, 'must be between 0 and 2147483647, inclusive');
    }
  }
}
