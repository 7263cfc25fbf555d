import type { Node } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { canonicalQuantity, quantityOfMilli } from '#machinery/values/quantity.ts';
import { sameJson } from '#machinery/values/same-json.ts';
import type { Image } from '#oci/contract.ts';
import type { RuntimeInfo } from '#runtime/contract.ts';
import type { Pressure } from '../eviction/plan.ts';
import { type ClockHealth, clockCondition } from './clock-condition.ts';
import type { Allocatable } from './reservation.ts';

/** What is so about this machine; read once at start. */
export interface MachineFacts {
  name: string;
  addresses: readonly string[];
  cpus: number;
  memoryBytes: number;
  /** Of the file system with the data directory. */
  storageBytes: number;
  allocatable: Allocatable;
  podLimit: number;
  architecture: string;
  kernelVersion: string;
  osImage: string;
  machineId: string;
  bootId: string;
  version: string;
  runtime: RuntimeInfo;
}

/** What may change from one heartbeat to the next. */
export interface NodeHealth {
  /** Empty = ready; else why not. */
  notReady: string;
  /** What the node is short of. */
  pressure: ReadonlySet<Pressure>;
  images?: readonly Image[];
  /** Left out = not known. */
  clock?: ClockHealth;
}

type Condition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

const MI = 1024 * 1024;

/** The Node object of a machine that is new to the cluster. */
export function nodeObject(facts: MachineFacts): Node {
  const labels = {
    'kubernetes.io/hostname': facts.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': facts.architecture,
  };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: facts.name, labels }, spec: {} };
}

/** What events on a node are about. They carry its name as uid: as kubelet writes them, so that `kubectl describe node` finds them. */
export function nodeNamed(name: string): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } };
}

/** The whole status. Conditions keep the time of their last change while they stay as they are. */
export function nodeStatus(
  facts: MachineFacts,
  health: NodeHealth,
  old: Node['status'],
  nowMs: number,
): Node['status'] {
  const quantities = {
    cpu: String(facts.cpus),
    memory: mebibytes(facts.memoryBytes),
    'ephemeral-storage': mebibytes(facts.storageBytes),
    pods: String(facts.podLimit),
  };
  return {
    ...old,
    capacity: quantities,
    allocatable: { ...quantities, ...allocatableQuantities(facts) },
    conditions: conditions(health, old?.conditions ?? [], nowMs),
    addresses: [
      ...facts.addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: facts.name },
    ],
    ...(health.images && { images: imagesOf(health.images) }),
    runtimeHandlers: facts.runtime.handlers.map(({ name, features }) => ({
      name,
      features: { ...features },
    })),
    nodeInfo: {
      architecture: facts.architecture,
      bootID: facts.bootId,
      containerRuntimeVersion: `gantry://${facts.version}`,
      kernelVersion: facts.kernelVersion,
      kubeProxyVersion: `v${facts.version}`,
      kubeletVersion: `v${facts.version}`,
      machineID: facts.machineId,
      operatingSystem: 'linux',
      osImage: facts.osImage,
      systemUUID: facts.machineId,
    },
  };
}

/** Source: Kubernetes, "Node heartbeats", nodeStatusReportFrequency: a status that says nothing new is written after five minutes. */
const REPORT_MS = 5 * 60_000;

/** Whether the API shall be told: every write goes to all who watch nodes, and each node does. */
export function isStatusDue(old: Node['status'], next: Node['status'], nowMs: number): boolean {
  const ready = old?.conditions?.find(({ type }) => type === 'Ready');
  const toldMs = Date.parse(String(ready?.lastHeartbeatTime));
  // Of a clock that was set back the time of the last one says nothing.
  const isRecent = toldMs <= nowMs && nowMs - toldMs < REPORT_MS;
  return !isRecent || !sameJson(withoutHeartbeats(old), withoutHeartbeats(next));
}

function withoutHeartbeats(status: Node['status']): object {
  const conditions = status?.conditions?.map(({ lastHeartbeatTime: _, ...condition }) => condition);
  return { ...status, conditions };
}

/** As status.allocatable has it. */
export function allocatableQuantities({
  allocatable,
}: Pick<MachineFacts, 'allocatable'>): Record<string, string> {
  return {
    cpu: quantityOfMilli(allocatable.cpuMilli),
    memory: mebibytes(allocatable.memoryBytes),
    'ephemeral-storage': mebibytes(allocatable.storageBytes),
  };
}

/** As the API writes it back: else each look would find the status another one. */
function mebibytes(bytes: number): string {
  return canonicalQuantity(`${Math.floor(bytes / MI)}Mi`);
}

/** Source: Kubernetes, kubelet nodeStatusMaxImages, and the names of each that it tells. */
const MAX_IMAGES = 50;
const MAX_NAMES = 5;

/**
 * What the scheduler and other nodes are told of images: the largest, as in Kubernetes, but those first that are to be had of no
 * registry. Of an image's names those by digest come first.
 */
function imagesOf(images: readonly Image[]): NonNullable<Node['status']>['images'] {
  const rank = ({ source }: Image) => (source === 'registry' ? 1 : 0);
  return images
    .toSorted((a, b) => rank(a) - rank(b) || b.sizeBytes - a.sizeBytes || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_IMAGES)
    .map(({ id, names, sizeBytes }) => {
      const digestsFirst = names.toSorted((a, b) => Number(b.includes('@')) - Number(a.includes('@')));
      return { names: names.length > 0 ? digestsFirst.slice(0, MAX_NAMES) : [id], sizeBytes };
    });
}

/** What the kernel can do, as labels and annotations of the Node. */
export function featureAnnotations({ runtime }: MachineFacts): Record<string, string> {
  const has = Object.entries(runtime.features).filter(([, is]) => is);
  return {
    'gantry.dev/cgroup': runtime.cgroup,
    'gantry.dev/kernel-features': has
      .map(([name]) => name)
      .sort()
      .join(','),
  };
}

/** Reason and message when the condition holds, and when it does not. Source: kubelet. */
const PRESSURES: Record<Pressure, [[string, string], [string, string]]> = {
  MemoryPressure: [
    ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
    ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ],
  DiskPressure: [
    ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
    ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ],
  PIDPressure: [
    ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
    ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ],
};

function conditions(
  { pressure, notReady, clock }: NodeHealth,
  old: readonly Condition[],
  nowMs: number,
): Condition[] {
  const pressures = Object.entries(PRESSURES).map(([type, [yes, no]]) => {
    const holds = pressure.has(type as Pressure);
    const [reason, message] = holds ? yes : no;
    return { type, status: holds ? 'True' : 'False', reason, message };
  });
  const now = [
    ...pressures,
    ...(clock ? [clockCondition(clock)] : []),
    {
      type: 'Ready',
      status: notReady ? 'False' : 'True',
      reason: notReady ? 'KubeletNotReady' : 'KubeletReady',
      message: notReady || 'kubelet is posting ready status',
    },
  ];
  const ours = new Set(now.map(({ type }) => type));
  const merged = now.map((next) => {
    const before = old.find(({ type }) => type === next.type);
    const since = before?.status === next.status ? before.lastTransitionTime : undefined;
    return { ...next, lastHeartbeatTime: rfc3339(nowMs), lastTransitionTime: since ?? rfc3339(nowMs) };
  });
  return [...old.filter(({ type }) => !ours.has(type)), ...merged];
}
