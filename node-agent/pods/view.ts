import type { Container, Pod } from '#api/objects.ts';
import { isSidecar } from '#api/semantics/resources.ts';
import type { Allocation } from '../spec/allocation.ts';
import { containerId } from '../spec/container.ts';
import { type ContainerObserved, isRunning, type Observed } from './observed.ts';
import { restartAtMs, restarts } from './restart.ts';

/** The input of all that is pure about a pod: what is wanted, what is known, what is under way, and the time. */
export interface View {
  /** The pod with what it has been granted of the node. */
  pod: Pod;
  /** What its spec asks for, where that may be something else. */
  wanted?: Allocation;
  observed: Observed;
  /** Keys of effects under way. */
  busy: ReadonlySet<string>;
  nowMs: number;
}

/** Whether an effect may begin: it is not under way and not waiting after a failure. */
export function mayDo(view: View, key: string): boolean {
  return !view.busy.has(key) && (view.observed.retries.get(key)?.untilMs ?? 0) <= view.nowMs;
}

export function isBusy(view: View, prefix: string): boolean {
  for (const key of view.busy) if (key.startsWith(prefix)) return true;
  return false;
}

export function initContainers(pod: Pod): Container[] {
  return pod.spec?.initContainers ?? [];
}

export function appContainers(pod: Pod): Container[] {
  return pod.spec?.containers ?? [];
}

/** Those that people add to a pod that runs, to look into it. They decide nothing about the pod. */
export function ephemeralContainers(pod: Pod): Container[] {
  return (pod.spec?.ephemeralContainers ?? []) as Container[];
}

export function findContainer(pod: Pod, name: string): { container: Container; isInit: boolean } | undefined {
  const init = initContainers(pod).find((one) => one.name === name);
  if (init) return { container: init, isInit: true };
  const other = [...appContainers(pod), ...ephemeralContainers(pod)].find((one) => one.name === name);
  return other && { container: other, isInit: false };
}

/** Sandbox, network and volumes are there: containers may start. */
export function isPrepared({ pod, observed }: View): boolean {
  return (
    observed.sandbox === 'ready' &&
    observed.volumes !== undefined &&
    (pod.spec?.hostNetwork === true || observed.attachment !== undefined)
  );
}

/** Whether an init container lets the next one begin: it succeeded, or it is a sidecar that has started. */
export function isInitDone(container: Container, observed: ContainerObserved | undefined): boolean {
  if (isSidecar(container))
    return isRunning(observed) && observed?.hooked === true && observed.started === true;
  return observed?.run?.exit?.code === 0;
}

/** All init containers are done; a pod whose app containers have begun was initialized before. */
export function isInitialized(pod: Pod, observed: Observed): boolean {
  if (appContainers(pod).some((one) => observed.containers.get(one.name)?.run)) return true;
  return initContainers(pod).every((one) => isInitDone(one, observed.containers.get(one.name)));
}

export type Need = 'nothing' | 'start' | 'wait';

/** Whether a container has to be started now, later (backoff) or not at all. */
export function needOf(view: View, container: Container, isInit: boolean): Need {
  const observed = view.observed.containers.get(container.name);
  const run = observed?.run;
  if (!run) return 'start';
  // An ephemeral container runs once, whatever becomes of it.
  if (!run.exit || ephemeralContainers(view.pod).some(({ name }) => name === container.name))
    return 'nothing';
  const lost = run.exit.reason === 'Lost' && (view.pod.spec?.restartPolicy ?? 'Always') !== 'Never';
  if (!lost && !run.replaced && !restarts(view.pod, container, isInit, run.exit.code)) return 'nothing';
  return restartAtMs(observed) <= view.nowMs ? 'start' : 'wait';
}

/** The id the next start will have. */
export function nextAttempt(observed: ContainerObserved | undefined): number {
  return observed?.run ? observed.run.attempt + 1 : 0;
}

export function startKey(container: string, attempt: number): string {
  return `startContainer:${containerId(container, attempt)}`;
}
