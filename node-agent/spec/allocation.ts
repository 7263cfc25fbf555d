import type { Container, Pod, PodSpec, ResourceRequirements } from '#api/objects.ts';
import { amountsOf, podRequests } from '#api/semantics/resources.ts';
import { compareQuantities } from '#machinery/values/quantity.ts';

/**
 * What a pod has been granted of its node, which a resize changes later than its spec. Pure.
 * Source: Kubernetes documentation, "Resize CPU and Memory Resources assigned to Containers".
 */

/** Requests and limits by container. */
export type Allocation = Record<string, ResourceRequirements>;

/** Only these can be changed while a pod runs. */
const RESIZABLE = ['cpu', 'memory'] as const;
type Resizable = (typeof RESIZABLE)[number];
const KINDS = ['requests', 'limits'] as const;

export function allocationOf(spec: PodSpec): Allocation {
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return Object.fromEntries(all.map(({ name, resources = {} }) => [name, resources]));
}

/** The pod as if its spec asked for what it has been granted; the same object when it does. */
export function withAllocation<P extends Pod>(pod: P, allocation: Allocation | undefined): P {
  const spec = pod.spec!;
  if (!allocation || sameAllocation(allocationOf(spec), allocation)) return pod;
  const granted = (container: Container) => ({
    ...container,
    resources: allocation[container.name] ?? container.resources,
  });
  const containers = spec.containers.map(granted);
  const init = spec.initContainers && { initContainers: spec.initContainers.map(granted) };
  return { ...pod, spec: { ...spec, containers, ...init } };
}

export function sameAllocation(one: Allocation, other: Allocation): boolean {
  return Object.keys(one).every((name) => changed(one[name], other[name]).length === 0);
}

/** Which resources differ, in their requests or limits. */
export function changed(
  one: ResourceRequirements | undefined,
  other: ResourceRequirements | undefined,
): Resizable[] {
  return RESIZABLE.filter((name) =>
    KINDS.some((kind) => !sameQuantity(one?.[kind]?.[name], other?.[kind]?.[name])),
  );
}

function sameQuantity(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return compareQuantities(one, other) === 0;
}

/** Whether the container wants to be restarted for that change. */
export function restartsFor(
  container: Container,
  before: ResourceRequirements | undefined,
  after: ResourceRequirements | undefined,
): boolean {
  const names: string[] = changed(before, after);
  return (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && names.includes(resourceName),
  );
}

export type Verdict = 'fits' | { reason: 'Deferred' | 'Infeasible'; message: string };

/**
 * Whether a pod may have what its spec asks for, beside what others were granted. Infeasible = never on this node;
 * Deferred = when somebody else gives something back.
 */
export function judgeResize(
  spec: PodSpec,
  others: readonly PodSpec[],
  allocatable: Record<string, string>,
): Verdict {
  const capacity = amountsOf(allocatable);
  const wanted = podRequests(spec);
  for (const name of RESIZABLE) {
    const [requested, most] = [wanted[name] ?? 0, capacity[name] ?? Number.POSITIVE_INFINITY];
    if (requested > most) {
      const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${most}`;
      return { reason: 'Infeasible', message };
    }
  }
  for (const name of RESIZABLE) {
    const used = others.reduce((sum, other) => sum + (podRequests(other)[name] ?? 0), 0);
    const [requested, most] = [wanted[name] ?? 0, capacity[name] ?? Number.POSITIVE_INFINITY];
    if (used + requested > most) {
      const message = `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${most}`;
      return { reason: 'Deferred', message };
    }
  }
  return 'fits';
}
