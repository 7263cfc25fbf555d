import type { Node } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import type { RuntimeInfo } from '#runtime/contract.ts';

/** What is so about this machine; read once at start. */
export interface MachineFacts {
  name: string;
  addresses: readonly string[];
  cpus: number;
  memoryBytes: number;
  /** Of the file system with the data directory. */
  storageBytes: number;
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
  memoryAvailableBytes: number;
  storageAvailableShare: number;
  /** Processes and threads, of the most there may be. */
  pidsShare: number;
}

type Condition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

/** Below these a node takes no new pods. Source: Kubernetes, default hard eviction thresholds. */
const MEMORY_PRESSURE_BYTES = 100 * 1024 * 1024;
const STORAGE_PRESSURE_SHARE = 0.1;
const PID_PRESSURE_SHARE = 0.9;

const MI = 1024 * 1024;

/** What of the memory pods may have, in bytes: the rest keeps the node from running short. */
export function allocatableMemory({ memoryBytes }: Pick<MachineFacts, 'memoryBytes'>): number {
  return Math.max(0, memoryBytes - MEMORY_PRESSURE_BYTES);
}

/** The Node object of a machine that is new to the cluster. */
export function nodeObject(facts: MachineFacts): Node {
  const labels = {
    'kubernetes.io/hostname': facts.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': facts.architecture,
  };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: facts.name, labels }, spec: {} };
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
    memory: `${Math.floor(facts.memoryBytes / MI)}Mi`,
    'ephemeral-storage': `${Math.floor(facts.storageBytes / MI)}Mi`,
    pods: String(facts.podLimit),
  };
  return {
    ...old,
    capacity: quantities,
    allocatable: {
      ...quantities,
      memory: `${Math.floor(allocatableMemory(facts) / MI)}Mi`,
    },
    conditions: conditions(health, old?.conditions ?? [], nowMs),
    addresses: [
      ...facts.addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: facts.name },
    ],
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

function conditions(health: NodeHealth, old: readonly Condition[], nowMs: number): Condition[] {
  const memory = health.memoryAvailableBytes < MEMORY_PRESSURE_BYTES;
  const storage = health.storageAvailableShare < STORAGE_PRESSURE_SHARE;
  const pids = health.pidsShare > PID_PRESSURE_SHARE;
  const now = [
    condition(
      'MemoryPressure',
      memory,
      'Kubelet',
      'InsufficientMemory',
      'SufficientMemory',
      'sufficient memory available',
    ),
    condition('DiskPressure', storage, 'Kubelet', 'DiskPressure', 'NoDiskPressure', 'no disk pressure'),
    condition('PIDPressure', pids, 'Kubelet', 'InsufficientPID', 'SufficientPID', 'sufficient PID available'),
    {
      type: 'Ready',
      status: health.notReady ? 'False' : 'True',
      reason: health.notReady ? 'KubeletNotReady' : 'KubeletReady',
      message: health.notReady || 'kubelet is posting ready status',
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

function condition(
  type: string,
  is: boolean,
  who: string,
  reasonIf: string,
  reasonIfNot: string,
  fine: string,
) {
  const reason = `${who}Has${is ? reasonIf : reasonIfNot}`;
  return {
    type,
    status: is ? 'True' : 'False',
    reason,
    message: is ? `the node has ${type}` : `the node has ${fine}`,
  };
}
