import type { Container, Pod, PodSpec } from '#api/objects.ts';
import { type QosClass, qosClassOf } from '#api/semantics/qos.ts';
import { podLimits, podRequests } from '#api/semantics/resources.ts';
import { quantityMilli, quantityValue } from '#machinery/values/quantity.ts';
import type { Resources } from '#runtime/contract.ts';

/** Length of one CFS period, as Kubernetes sets it. */
const CPU_PERIOD_US = 100_000;
/** The kernel takes no smaller quota. */
const MIN_CPU_QUOTA_US = 1000;
const MIN_CPU_SHARES = 2;
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
export function containerResources(container: Container): Resources {
  const memory = container.resources?.limits?.['memory'];
  const cpu = container.resources?.limits?.['cpu'];
  return {
    cpuShares: sharesOf(milliOf(request(container, 'cpu'))),
    ...(isSet(memory) && { memoryBytes: quantityValue(memory!) }),
    ...(isSet(cpu) && quotaOf(quantityMilli(cpu!))),
  };
}

/**
 * Processes and threads of one pod: far more than a program needs, far less than the node has (pid_max is 32768 or more),
 * so that a fork bomb ends in its own pod.
 */
const POD_PIDS_LIMIT = 4096;

/** cgroup values of the whole pod: memory and cpu limits only where every container has one, processes always. */
export function podResources(spec: PodSpec): Resources {
  const limits = podLimits(spec);
  return {
    cpuShares: sharesOf(podRequests(spec)['cpu'] ?? 0),
    pids: POD_PIDS_LIMIT,
    ...(limits['memory'] && { memoryBytes: limits['memory'] }),
    ...(limits['cpu'] && quotaOf(limits['cpu'])),
  };
}

function milliOf(quantity: string | undefined): number {
  return quantity === undefined ? 0 : quantityMilli(quantity);
}

function sharesOf(milli: number): number {
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
