import type { Container, PodSpec } from '#api/objects.ts';
import { isSidecar } from '#api/semantics/resources.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Resources } from '#runtime/contract.ts';
import {
  type Allocation,
  allocationOf,
  changed,
  restartsFor,
  sameAllocation,
  withAllocation,
} from '../spec/allocation.ts';
import type { LimitOptions } from '../spec/limits.ts';
import { containerResources, podResources } from '../spec/resources.ts';
import type { Effect } from './effects.ts';
import type { Work } from './executor.ts';
import { EffectFault } from './fault.ts';
import { isRunning, type Observed } from './observed.ts';
import { appContainers, initContainers, type View } from './view.ts';

/** Changing cpu and memory of a pod that runs: first granted by the node, then written to its cgroups. */

/** Whether the spec asks for something else than was granted. */
export function wantsResize({ wanted, observed }: View): boolean {
  return (
    wanted !== undefined && observed.allocated !== undefined && !sameAllocation(wanted, observed.allocated)
  );
}

/** Whether it is time to ask the node: for a new wish, or again for one that was put off. */
export function asksNode(view: View): boolean {
  const { pending } = view.observed;
  if (!wantsResize(view)) return false;
  if (!pending || pending.generation !== generationOf(view)) return true;
  return pending.reason === 'Deferred' && pending.untilMs <= view.nowMs;
}

export function generationOf({ pod }: Pick<View, 'pod'>): number {
  return pod.metadata.generation ?? 0;
}

interface Resizing {
  container: Container;
  attempt: number;
  restarts: boolean;
}

/** Running containers that have something else than was granted. */
export function resizing({ pod, observed }: Pick<View, 'pod' | 'observed'>): Resizing[] {
  return [...initContainers(pod).filter(isSidecar), ...appContainers(pod)].flatMap((container) => {
    const state = observed.containers.get(container.name);
    if (!isRunning(state) || !state?.run?.resources) return [];
    const { attempt, resources } = state.run;
    if (changed(resources, container.resources).length === 0) return [];
    return [{ container, attempt, restarts: restartsFor(container, resources, container.resources) }];
  });
}

/** Granted and not yet in force. */
export function isResizing(view: View): boolean {
  const { observed } = view;
  if (observed.stage !== 'run' || observed.sandbox !== 'ready' || !observed.allocated) return false;
  return resizing(view).length > 0 || isPodBehind(observed);
}

/** The pod's own limits are not those granted, or nobody knows since the agent began. */
function isPodBehind({ allocated, actuated }: Observed): boolean {
  return actuated === undefined || !sameAllocation(allocated!, actuated);
}

/** Whether something is to be changed in place. */
export function writesLimits(view: View): boolean {
  return isResizing(view) && (isPodBehind(view.observed) || resizing(view).some(({ restarts }) => !restarts));
}

/** A refused wish is heard again this often, besides when somebody gives something back. */
const DEFERRED_MS = 10_000;

/** Asks the node; what it grants is on disk before it is used. */
export async function allocate(work: Work): Promise<void> {
  const { wantedPod, context, tell, neighbours } = work;
  const generation = generationOf({ pod: wantedPod });
  const verdict = neighbours.judge(wantedPod);
  if (verdict === 'fits') {
    const allocation = allocationOf(wantedPod.spec!);
    await neighbours.commit(wantedPod.metadata.uid!, allocation);
    const message = `Pod resize started for generation ${generation}`;
    context.recorder.record(wantedPod, 'Normal', { reason: 'ResizeStarted', message });
    tell({ is: 'allocated', allocation, generation });
    return;
  }
  const { pending } = work.observed;
  if (pending?.generation !== generation || pending.message !== verdict.message) {
    const message = `Pod resize ${verdict.reason}: ${verdict.message}`;
    context.recorder.record(wantedPod, 'Warning', { reason: `Resize${verdict.reason}`, message });
  }
  tell({ is: 'resizePending', why: verdict, generation, untilMs: context.clock.now() + DEFERRED_MS });
}

const RESIZE_RETRY_MS = 10_000;

/** Writes what was granted: a pod's limits are never below those of its containers. */
export async function resizePod(work: Work): Promise<void> {
  const { pod, observed, context, tell } = work;
  const uid = pod.metadata.uid!;
  const allocation = allocationOf(pod.spec!);
  const parts = resizing(work).filter(({ restarts }) => !restarts);
  const before = withAllocation(pod, observed.actuated ?? allocationOfRuns(observed));
  const ids = parts.map(({ container, attempt }) => ({ container, id: `${container.name}.${attempt}` }));
  try {
    for (const { id, resources } of resizeSteps(before.spec!, pod.spec!, ids, context.node.limits))
      await context.runtime.updateResources(uid, id, resources);
  } catch (error) {
    throw new EffectFault('ResizeError', messageOf(error), RESIZE_RETRY_MS);
  }
  for (const { container, attempt } of parts)
    tell({ is: 'resized', container: container.name, attempt, resources: container.resources ?? {} });
  tell({ is: 'actuated', allocation });
  if (parts.length === 0) return;
  const message = `Pod resize completed for generation ${observed.resizeGeneration ?? generationOf({ pod })}`;
  context.recorder.record(pod, 'Normal', { reason: 'ResizeCompleted', message });
}

function allocationOfRuns({ containers }: Observed): Allocation {
  const runs = [...containers].flatMap(([name, { run }]) => (run?.resources ? [[name, run.resources]] : []));
  return Object.fromEntries(runs) as Allocation;
}

interface ResizeStep {
  /** The runtime's id of a container; undefined = the pod. */
  id?: string;
  resources: Resources;
}

/** Raises the pod, changes its containers, lowers the pod. Pure. */
export function resizeSteps(
  before: PodSpec,
  after: PodSpec,
  containers: readonly { container: Container; id: string }[],
  options?: LimitOptions,
): ResizeStep[] {
  const [old, now] = [limitsOf(podResources(before)), limitsOf(podResources(after))];
  const between = Object.fromEntries(
    Object.entries(now).map(([name, amount]) => [name, larger(amount, old[name as keyof typeof old])]),
  );
  return [
    { resources: between },
    ...containers.map(({ container, id }) => ({ id, resources: containerResources(container, options) })),
    ...(JSON.stringify(between) === JSON.stringify(now) ? [] : [{ resources: now }]),
  ];
}

/** -1 = no limit. The period is the same always. */
function limitsOf({ memoryBytes = -1, cpuShares = 2, cpuQuotaUs = -1 }: Resources) {
  return { memoryBytes, cpuShares, cpuQuotaUs };
}

function larger(one: number, other: number): number {
  return one < 0 || other < 0 ? -1 : Math.max(one, other);
}

export function restartEffects(
  view: View,
  stop: (view: View, name: string, why: string) => Effect[],
): Effect[] {
  return resizing(view)
    .filter(({ restarts }) => restarts)
    .flatMap(({ container: { name } }) => stop(view, name, `Container ${name} resize requires restart`));
}
