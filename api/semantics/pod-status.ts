/**
 * How far along a pod is, read the same way by controllers, endpoints, scheduler and node agents.
 * Source: Kubernetes documentation, "Pod Lifecycle".
 */
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../objects.ts';

/** The condition of a type, if the pod has it. */
export function podCondition(status: PodStatus | undefined, type: string): PodCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Whether the Ready condition is true. */
export function isPodReady(pod: Pod): boolean {
  return podCondition(pod.status, 'Ready')?.status === 'True';
}

/** When (ms since the epoch) the pod counts as available if it stays ready; Infinity while it is not ready. */
export function availableAt(pod: Pod, minReadySeconds: number): number {
  const ready = podCondition(pod.status, 'Ready');
  if (ready?.status !== 'True') return Number.POSITIVE_INFINITY;
  if (minReadySeconds === 0) return Number.NEGATIVE_INFINITY;
  const since = Date.parse(ready.lastTransitionTime ?? '');
  return Number.isNaN(since) ? Number.POSITIVE_INFINITY : since + minReadySeconds * 1000;
}

/** Whether all containers have ended for good. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Whether the pod counts as a replica: neither ended nor going. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Whether a node has been chosen. */
export function isPodScheduled(pod: Pod): boolean {
  return Boolean(pod.spec?.nodeName);
}

/** All addresses of the pod, the primary one first. */
export function podAddresses(pod: Pod): string[] {
  const list = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  return list.length > 0 ? list : pod.status?.podIP ? [pod.status.podIP] : [];
}

/** The status of a container, an init container or an ephemeral one by name. */
export function containerStatus(status: PodStatus | undefined, name: string): ContainerStatus | undefined {
  return [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ].find((container) => container.name === name);
}
