import type { Container, Pod, PodSpec } from '#api/objects.ts';
import { quantityMilli, quantityValue } from '#machinery/values/quantity.ts';
import type { Resources } from '#runtime/contract.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

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

/** Source: Kubernetes documentation, "Pod Quality of Service Classes". Only cpu and memory count. */
export function qosClass(spec: PodSpec): QosClass {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  let any = false;
  let all = true;
  for (const container of containers) {
    for (const resource of ['cpu', 'memory']) {
      const limit = container.resources?.limits?.[resource];
      const asked = request(container, resource);
      if (isSet(limit) || isSet(asked)) any = true;
      if (!isSet(limit) || quantityMilli(limit!) !== quantityMilli(asked!)) all = false;
    }
  }
  if (!any) return 'BestEffort';
  return all ? 'Guaranteed' : 'Burstable';
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

/** cgroup values of the whole pod: limits only where every container has one. */
export function podResources(spec: PodSpec): Resources {
  const sum = (value: (container: Container) => number) => {
    const running = [...(spec.containers ?? []), ...sidecars(spec)];
    const together = running.reduce((total, container) => total + value(container), 0);
    const init = (spec.initContainers ?? []).map(value);
    return Math.max(together, ...init, 0);
  };
  const everyHas = (resource: string) =>
    [...(spec.containers ?? []), ...sidecars(spec)].every((container) =>
      isSet(container.resources?.limits?.[resource]),
    );
  return {
    cpuShares: sharesOf(sum((container) => milliOf(request(container, 'cpu')))),
    ...(everyHas('memory') && {
      memoryBytes: sum((container) => quantityValue(container.resources?.limits?.['memory'] ?? '0')),
    }),
    ...(everyHas('cpu') && quotaOf(sum((container) => milliOf(container.resources?.limits?.['cpu'])))),
  };
}

function sidecars(spec: PodSpec): Container[] {
  return (spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
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
  const qos = qosClass(spec);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const asked = request(container, 'memory');
  const score = Math.floor(1000 - (1000 * (asked ? quantityValue(asked) : 0)) / nodeMemoryBytes);
  return Math.min(999, Math.max(3, score));
}
