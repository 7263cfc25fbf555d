/** Changes of parts of a pod that have subresources of their own: resize, ephemeralcontainers. Source: core validation. */
import type { Container, Pod } from '../objects.ts';
import { qosClassOf } from '../semantics/qos.ts';
import { type Faults, sameData } from './faults.ts';

type Resources = NonNullable<Container['resources']>;

const MIRROR = 'kubernetes.io/config.mirror';
const RESIZABLE = ['cpu', 'memory'];

/** What a resize may do: give containers other amounts of cpu and memory, and no more. */
export function checkResize(pod: Pod, old: Pod, faults: Faults): void {
  if (old.metadata.annotations?.[MIRROR] !== undefined) faults.forbidden('', 'static pods cannot be resized');
  if (qosClassOf(old.spec!) !== qosClassOf(pod.spec!))
    faults.invalid('spec', pod.status?.qosClass, 'Pod QOS Class may not change as a result of resizing');
  if (!isSupported(old)) faults.forbidden('spec', 'Pod running on node without support for resize');
  for (const list of ['containers', 'initContainers'] as const)
    for (const [index, container] of (pod.spec?.[list] ?? []).entries())
      checkContainer(container, old.spec?.[list]?.[index], `spec.${list}[${index}].resources`, faults);
}

/** A node that can resize tells what its containers have. */
function isSupported({ status }: Pod): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running);
  return !running || running.resources !== undefined;
}

function checkContainer(
  { resources: now = {} }: Container,
  before: Container | undefined,
  field: string,
  faults: Faults,
): void {
  const old = before?.resources ?? {};
  for (const part of ['limits', 'requests'] as const) {
    const isRemoved = (name: string) => now[part]?.[name] === undefined;
    if (Object.keys(old[part] ?? {}).some(isRemoved))
      faults.forbidden(field, `resource ${part} cannot be removed`);
  }
  if (!sameData(withoutAmounts(now), withoutAmounts(old)))
    faults.forbidden('spec', 'only cpu and memory resources are mutable');
}

function withoutAmounts({ limits, requests, ...rest }: Resources): object {
  const others = (amounts: Record<string, string> | undefined) =>
    Object.fromEntries(Object.entries(amounts ?? {}).filter(([name]) => !RESIZABLE.includes(name)));
  return { ...rest, limits: others(limits), requests: others(requests) };
}

/** Debug containers are only ever added. */
export function checkEphemeralContainersUpdate(pod: Pod, old: Pod, faults: Faults): void {
  const field = 'spec.ephemeralContainers';
  if (old.metadata.annotations?.[MIRROR] !== undefined) {
    faults.forbidden('', 'static pods do not support ephemeral containers');
    return;
  }
  const now = new Map((pod.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]));
  for (const container of old.spec?.ephemeralContainers ?? []) {
    const name = JSON.stringify(container.name);
    const kept = now.get(container.name);
    if (!kept) faults.forbidden(field, `existing ephemeral containers ${name} may not be removed\n`);
    else if (!sameData(kept, container))
      faults.forbidden(field, `existing ephemeral containers ${name} may not be changed\n`);
  }
}
