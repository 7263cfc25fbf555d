import type { ResourceRequirements } from '#api/objects.ts';
import type { PodAttachment } from '#network/contract.ts';
import type { ExitStatus } from '#runtime/contract.ts';
import type { MountedVolume } from '#volumes/contract.ts';
import type { Allocation } from '../spec/allocation.ts';
import {
  containerObserved,
  type ImageObserved,
  type Observed,
  type Reasoned,
  type Run,
  type Terminal,
} from './observed.ts';
import { nextBackoffMs } from './restart.ts';

/** What became known of a pod: the result of an effect, or news from the runtime and the probes. */
export type Fact =
  | { is: 'image'; container: string; image: ImageObserved; retryAtMs?: number }
  | { is: 'volumesMounted'; volumes: Map<string, MountedVolume>; dueMs: number; sourcesRevision: number }
  | { is: 'volumesChanged' }
  | { is: 'sandboxReady'; networkNamespace: string; allocation?: Allocation }
  | { is: 'sandboxLost'; nowMs: number }
  | { is: 'sandboxRemoved' }
  | { is: 'attached'; attachment: PodAttachment }
  | { is: 'detached' }
  | { is: 'unmounted' }
  | { is: 'started'; container: string; run: Run }
  | { is: 'hooked'; container: string; attempt: number }
  | { is: 'probing'; container: string; attempt: number }
  | { is: 'probed'; container: string; attempt: number; started?: boolean; ready?: boolean }
  | { is: 'unhealthy'; container: string; attempt: number; why: Reasoned & { graceMs?: number } }
  | { is: 'waiting'; container: string; why: Reasoned }
  | { is: 'stopping'; container: string; attempt: number; graceMs: number; replaces?: true }
  | { is: 'exited'; container: string; attempt: number; exit: ExitStatus; message?: string }
  | { is: 'lastWords'; container: string; attempt: number; message: string }
  | { is: 'forgotten'; id: string }
  | { is: 'allocated'; allocation: Allocation; generation: number }
  | { is: 'resizePending'; why: Reasoned; generation: number; untilMs: number }
  | { is: 'resizeAgain' }
  | { is: 'resized'; container: string; attempt: number; resources: ResourceRequirements }
  | { is: 'actuated'; allocation: Allocation }
  | { is: 'ended'; terminal: Terminal }
  | { is: 'halted'; graceMs: number }
  | { is: 'removed' }
  | { is: 'deleted' };

type Learn = { [F in Fact as F['is']]: (observed: Observed, fact: F) => void };

const LEARN: Learn = {
  image(observed, { container, image, retryAtMs }) {
    const key = `resolveImage:${container}`;
    if (!('failed' in image)) observed.retries.delete(key);
    else observed.retries.set(key, { failures: 1, untilMs: retryAtMs ?? 0, fault: image.failed });
    observed.images.set(container, image);
    const state = containerObserved(observed, container);
    if ('failed' in image) state.waiting = image.failed;
    else delete state.waiting;
  },
  volumesMounted(observed, { volumes, dueMs, sourcesRevision }) {
    observed.volumes = volumes;
    // A source that changed meanwhile may have been read before: once more.
    observed.volumesDueMs = sourcesRevision === observed.sourcesRevision ? dueMs : 0;
    observed.mounted = true;
  },
  volumesChanged(observed) {
    observed.sourcesRevision++;
    if (observed.volumes) observed.volumesDueMs = 0;
    // What was missing may be there now.
    for (const key of observed.retries.keys()) if (usesSources(key)) observed.retries.delete(key);
  },
  sandboxReady(observed, { networkNamespace, allocation }) {
    observed.sandbox = 'ready';
    observed.networkNamespace = networkNamespace;
    if (allocation) observed.actuated = allocation;
  },
  sandboxLost(observed, { nowMs }) {
    observed.sandbox = 'lost';
    delete observed.attachment;
    const exit: ExitStatus = { code: 137, reason: 'Lost', message: LOST_MESSAGE, finishedAtMs: nowMs };
    for (const container of observed.containers.values()) {
      if (container.run && !container.run.exit) endRun(container.run, exit);
    }
  },
  sandboxRemoved(observed) {
    observed.sandbox = 'none';
    delete observed.attachment;
    observed.leftovers.clear();
  },
  attached(observed, { attachment }) {
    observed.attachment = attachment;
    observed.attached = true;
  },
  detached(observed) {
    observed.attached = false;
  },
  unmounted(observed) {
    observed.mounted = false;
  },
  started(observed, { container, run }) {
    const state = containerObserved(observed, container);
    if (state.run) {
      state.backoffMs = nextBackoffMs(state);
      state.restartedAtMs = run.startedAtMs;
      if (state.last) observed.leftovers.add(state.last.id);
      state.last = state.run;
    }
    state.run = run;
    state.hooked = false;
    delete state.waiting;
    delete state.probing;
    delete state.started;
    delete state.ready;
    delete state.unhealthy;
    delete state.stoppingMs;
  },
  hooked(observed, { container, attempt }) {
    const state = containerObserved(observed, container);
    if (state.run?.attempt === attempt) state.hooked = true;
  },
  probing(observed, { container, attempt }) {
    const state = containerObserved(observed, container);
    if (state.run?.attempt !== attempt) return;
    state.probing = true;
    state.started ??= false;
    state.ready ??= false;
  },
  probed(observed, { container, attempt, started, ready }) {
    const state = containerObserved(observed, container);
    if (state.run?.attempt !== attempt) return;
    if (started !== undefined) state.started = started;
    if (ready !== undefined) state.ready = ready;
  },
  unhealthy(observed, { container, attempt, why }) {
    const state = containerObserved(observed, container);
    if (state.run?.attempt === attempt && !state.run.exit) state.unhealthy = why;
  },
  waiting(observed, { container, why }) {
    containerObserved(observed, container).waiting = why;
  },
  stopping(observed, { container, attempt, graceMs, replaces }) {
    const state = containerObserved(observed, container);
    if (state.run?.attempt !== attempt) return;
    state.stoppingMs = graceMs;
    if (replaces) state.run.replaced = true;
  },
  exited(observed, { container, attempt, exit, message }) {
    const state = containerObserved(observed, container);
    const run = [state.run, state.last].find((one) => one?.attempt === attempt);
    if (!run || run.exit) return;
    endRun(run, exit, message);
    state.ready = false;
    state.started = false;
  },
  lastWords(observed, { container, attempt, message }) {
    const { run } = containerObserved(observed, container);
    if (run?.attempt === attempt) run.message = message;
  },
  forgotten(observed, { id }) {
    observed.leftovers.delete(id);
  },
  allocated(observed, { allocation, generation }) {
    observed.allocated = allocation;
    observed.resizeGeneration = generation;
    delete observed.pending;
    observed.retries.delete('resizePod');
  },
  resizePending(observed, { why, generation, untilMs }) {
    observed.pending = { ...why, generation, untilMs };
  },
  resizeAgain(observed) {
    if (observed.pending) observed.pending.untilMs = 0;
  },
  resized(observed, { container, attempt, resources }) {
    const { run } = containerObserved(observed, container);
    if (run?.attempt === attempt) run.resources = resources;
  },
  actuated(observed, { allocation }) {
    observed.actuated = allocation;
  },
  ended(observed, { terminal }) {
    observed.terminal ??= terminal;
  },
  halted(observed, { graceMs }) {
    observed.haltMs = graceMs;
  },
  removed(observed) {
    observed.removed = true;
  },
  deleted(observed) {
    observed.deleted = true;
  },
};

const LOST_MESSAGE = 'The container went away with its sandbox, which was lost';

function endRun(run: Run, exit: ExitStatus, message?: string): void {
  run.exit = exit;
  if (message !== undefined) run.message = message;
}

/** Takes a fact in. The only place that changes what is known. */
export function learn(observed: Observed, fact: Fact): void {
  (LEARN[fact.is] as (observed: Observed, fact: Fact) => void)(observed, fact);
}

/** Whether an effect reads ConfigMaps, Secrets or Services. */
function usesSources(key: string): boolean {
  return key === 'mountVolumes' || key.startsWith('startContainer:');
}

/** Delays between attempts of an effect that failed, in ms. */
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;

/**
 * Notes that an effect failed and when it may be tried again. `sourcesRevision`: what it was begun with; when a source has
 * changed since, what was missing may be there now, and nothing is waited for.
 */
export function learnFailure(
  observed: Observed,
  key: string,
  fault: Reasoned,
  nowMs: number,
  { maxMs = MAX_RETRY_MS, sourcesRevision }: { maxMs?: number | undefined; sourcesRevision?: number } = {},
): void {
  if (usesSources(key) && sourcesRevision !== undefined && sourcesRevision !== observed.sourcesRevision)
    return;
  const failures = (observed.retries.get(key)?.failures ?? 0) + 1;
  const delayMs = Math.min(maxMs, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
  observed.retries.set(key, { failures, untilMs: nowMs + delayMs, fault });
}
