import type { Container, Pod, PodSpec } from '#api/objects.ts';
import { type QosClass, qosClassOf } from '#api/semantics/qos.ts';
import { podLimits, podRequests } from '#api/semantics/resources.ts';
import { quantityMilli, quantityValue } from '#machinery/values/quantity.ts';
import type { Resources } from '#runtime/contract.ts';
import type { LimitOptions } from './limits.ts';

/** Length of one CFS period, as Kubernetes sets it. */
const CPU_PERIOD_US = 100_000;
/** The kernel takes no smaller quota. */
const MIN_CPU_QUOTA_US = 1000;
export const MIN_CPU_SHARES = 2;
const MAX_CPU_SHARES = 262_144;

/** A request; one that is left out equals the limit. */
function request(container: Container, resource: string): string | undefined {
  return container.resources?.requests?.[resource] ?? container.resources?.limits?.[resource];
}

function isSet(quantity: string | undefined): boolean {
  return quantity !== undefined && quantityMilli(quantity) !== 0;
}

export const CGROUP_PARENT: Record<QosClass, string> = {
  Guaranteed: 'kubepods',
  Burstable: 'kubepods/burstable',
  BestEffort: 'kubepods/besteffort',
};

/** cgroup values of one container. */
export function containerResources(container: Container, options: LimitOptions = {}): Resources {
  const limits = container.resources?.limits ?? {};
  const { memory, cpu } = limits;
  const memoryBytes = isSet(memory) ? quantityValue(memory!) : undefined;
  const { noSwap, oomGroup } = options;
  const hugepages = hugepagesOf(limits);
  return {
    cpuShares: sharesOf(milliOf(request(container, 'cpu'))),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(isSet(cpu) && quotaOf(quantityMilli(cpu!))),
    ...(hugepages.length > 0 && { hugepages }),
    ...((noSwap === 'always' || (noSwap && memoryBytes !== undefined)) && { swapBytes: 0 }),
    ...(oomGroup && { oomGroup }),
    ...(options.memoryQos && memoryQos(container, memoryBytes ?? options.memoryQos.nodeMemoryBytes)),
  };
}

const HUGEPAGES = 'hugepages-';

function hugepagesOf(amounts: Record<string, string | number>): NonNullable<Resources['hugepages']> {
  return Object.entries(amounts).flatMap(([name, quantity]) =>
    name.startsWith(HUGEPAGES)
      ? [{ pageBytes: quantityValue(name.slice(HUGEPAGES.length)), bytes: quantityValue(quantity) }]
      : [],
  );
}

/** From this share of what lies between request and limit on, a container is slowed down. Source: Kubernetes, "Memory QoS". */
const THROTTLING = 0.9;
const PAGE_BYTES = 4096;

function memoryQos(container: Container, limitBytes: number): Resources {
  const asked = request(container, 'memory');
  const memoryMinBytes = asked === undefined ? 0 : quantityValue(asked);
  const high = memoryMinBytes + THROTTLING * (limitBytes - memoryMinBytes);
  const isThrottled = memoryMinBytes < limitBytes;
  return {
    memoryMinBytes,
    ...(isThrottled && { memoryHighBytes: Math.floor(high / PAGE_BYTES) * PAGE_BYTES }),
  };
}

/**
 * Processes and threads of one pod: far more than a program needs, far less than the node has (pid_max is 32768 or more),
 * so that a fork bomb ends in its own pod.
 */
const POD_PIDS_LIMIT = 4096;

/** cgroup values of the whole pod: memory and cpu limits only where every container has one, processes always. */
export function podResources(spec: PodSpec, options: LimitOptions = {}): Resources {
  const limits = podLimits(spec);
  const requests = podRequests(spec);
  return {
    cpuShares: sharesOf(requests['cpu'] ?? 0),
    ...(options.memoryQos && { memoryMinBytes: requests['memory'] ?? 0 }),
    pids: POD_PIDS_LIMIT,
    ...(limits['memory'] && { memoryBytes: limits['memory'] }),
    ...(limits['cpu'] && quotaOf(limits['cpu'])),
  };
}

function milliOf(quantity: string | undefined): number {
  return quantity === undefined ? 0 : quantityMilli(quantity);
}

/** Milli-cores as shares of the CPU in cgroup v1 units. */
export function sharesOf(milli: number): number {
  return Math.min(MAX_CPU_SHARES, Math.max(MIN_CPU_SHARES, Math.floor((milli * 1024) / 1000)));
}

function quotaOf(milli: number): Resources {
  const cpuQuotaUs = Math.max(MIN_CPU_QUOTA_US, (milli * CPU_PERIOD_US) / 1000);
  return { cpuQuotaUs, cpuPeriodUs: CPU_PERIOD_US };
}

/** Pods of this priority and above are part of the system. */
const CRITICAL_PRIORITY = 2_000_000_000;

/**
 * How early the kernel kills the container when memory runs out: best-effort first, guaranteed last, burstable the
 * earlier the less it asked for. Source: Kubernetes documentation, "Node out of memory behavior".
 */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  const spec = pod.spec!;
  if ((spec.priority ?? 0) >= CRITICAL_PRIORITY) return -997;
  const qos = qosClassOf(spec);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const asked = request(container, 'memory');
  const score = Math.floor(1000 - (1000 * (asked ? quantityValue(asked) : 0)) / nodeMemoryBytes);
  return Math.min(999, Math.max(3, score));
}
