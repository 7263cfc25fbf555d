/**
 * What a pod asks of a node and what it may use at most: the sums that scheduler, quota, cgroups and eviction must
 * agree on. Amounts are whole numbers: milli-cores for cpu, the base unit (bytes, pieces) for everything else.
 * Source: Kubernetes documentation, "Resource Management for Pods and Containers", "Sidecar Containers".
 */
import { quantityMilli, quantityValue } from '#machinery/values/quantity.ts';
import type { Container, PodSpec, ResourceRequirements } from '../objects.ts';

/** Amount by resource name: `{ cpu: 250, memory: 67108864 }` is a quarter of a core and 64 MiB. */
export type Amounts = Record<string, number>;

/** A quantity of resource `name` in the unit of Amounts. */
function amountOf(name: string, quantity: string | number): number {
  return name === 'cpu' ? quantityMilli(quantity) : quantityValue(quantity);
}

/** The amounts of a list of quantities as `requests`, `limits`, `allocatable` and `overhead` hold them. */
export function amountsOf(list: Record<string, string | number> | undefined): Amounts {
  const amounts: Amounts = {};
  for (const name in list) amounts[name] = amountOf(name, list[name]!);
  return amounts;
}

/** What the pod needs to be placed: the larger of its start-up and its running need, plus overhead. */
export function podRequests(spec: PodSpec): Amounts {
  const amounts = sumOf(spec, 'requests');
  for (const [name, quantity] of Object.entries(spec.resources?.requests ?? {})) {
    amounts[name] = amountOf(name, quantity);
  }
  return add(amounts, amountsOf(spec.overhead));
}

/**
 * What the pod may use at most. A resource is left out when a container has no limit for it, since then the pod has
 * none either; overhead only raises limits that exist.
 */
export function podLimits(spec: PodSpec): Amounts {
  const amounts = sumOf(spec, 'limits');
  for (const [name, quantity] of Object.entries(spec.resources?.limits ?? {})) {
    amounts[name] = amountOf(name, quantity);
  }
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  for (const name of Object.keys(amounts)) {
    if (spec.resources?.limits?.[name] !== undefined) continue;
    if (all.some((container) => container.resources?.limits?.[name] === undefined)) delete amounts[name];
  }
  const overhead = amountsOf(spec.overhead);
  for (const name in overhead) if (name in amounts) add(amounts, { [name]: overhead[name] ?? 0 });
  return amounts;
}

/** Whether an init container keeps running beside the app containers. */
export function isSidecar(container: Pick<Container, 'restartPolicy'>): boolean {
  return container.restartPolicy === 'Always';
}

function sumOf(spec: PodSpec, which: 'requests' | 'limits'): Amounts {
  const running: Amounts = {};
  for (const container of spec.containers ?? []) add(running, amountsFor(container, which));
  const sidecars: Amounts = {};
  const peak: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    const own = amountsFor(container, which);
    if (isSidecar(container)) {
      add(running, own);
      add(sidecars, own);
      raise(peak, sidecars);
    } else {
      // An init container runs alone but for the sidecars started before it.
      raise(peak, add(own, sidecars));
    }
  }
  return raise(running, peak);
}

function amountsFor(
  container: Container,
  which: keyof Pick<ResourceRequirements, 'requests' | 'limits'>,
): Amounts {
  return amountsOf(container.resources?.[which]);
}

function add(into: Amounts, more: Amounts): Amounts {
  for (const name in more) into[name] = (into[name] ?? 0) + more[name]!;
  return into;
}

function raise(into: Amounts, floor: Amounts): Amounts {
  for (const name in floor) into[name] = Math.max(into[name] ?? 0, floor[name]!);
  return into;
}
