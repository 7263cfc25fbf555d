/** Feeds one controller: changes wake keys, keys are planned, plans are performed, and the caches catch up. */
import { resourceName } from '#api/kind.ts';
import { type ApiObject, keyOf, type ObjectKey } from '#api/objects.ts';
import type { Change } from '#client/contract.ts';
import type { Clock } from '#machinery/clock.ts';
import { isStatus, messageOf, RETRY } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { QueueCounts } from '#machinery/metrics/queue.ts';
import { WorkQueue } from '#machinery/queue.ts';
import type { Random } from '#machinery/random.ts';
import { catchUp } from './catch-up.ts';
import type { AnyController, Failure } from './contract.ts';
import { type Deed, describeAction, type Executor, type Performed, type Written } from './executor.ts';
import type { Informers } from './informers.ts';

export interface RunnerDeps {
  informers: Informers;
  executor: Executor;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Aborting it is a crash. */
  signal: AbortSignal;
  counts: QueueCounts;
  /** Told of each action that was tried. */
  record(deed: Deed): void;
}

/** Keys of one controller planned and performed at the same time. */
const CONCURRENCY = 16;
/** A cache that has not caught up after this time does not hold a key back any longer. */
const CATCH_UP_MS = 30_000;

export interface Runner {
  stop(): Promise<void>;
  /** Keys waiting for work. */
  readonly length: number;
}

/** Starts at once; the informers must be synced. */
export function runController(controller: AnyController, deps: RunnerDeps): Runner {
  const { informers, clock, random, log, signal } = deps;
  /** Of keys whose last plan failed; a plan that succeeds clears it. */
  const failures = new Map<ObjectKey, Failure>();
  const queue: WorkQueue<ObjectKey> = new WorkQueue<ObjectKey>({
    clock,
    random,
    counts: deps.counts,
    concurrency: controller.oneAtATime ? 1 : CONCURRENCY,
    work: (key, free) =>
      signal.aborted ? Promise.resolve() : work(controller, deps, queue, failures, key, free),
    onError(key, error, failures) {
      if (signal.aborted) return;
      const fields = { controller: controller.name, key, failures, error: messageOf(error) };
      if (isStatus(error) && RETRY[error.reason] === 'refetch') log.debug('planning anew', fields);
      else log.warn('a plan failed', fields);
    },
  });
  const unsubscribe = subscribe(controller, informers, (key) => queue.add(key));
  return {
    get length() {
      return queue.length;
    },
    async stop() {
      for (const end of unsubscribe) end();
      await queue.stop();
    },
  };
}

async function work(
  controller: AnyController,
  deps: RunnerDeps,
  queue: WorkQueue<ObjectKey>,
  failures: Map<ObjectKey, Failure>,
  key: ObjectKey,
  free: () => void,
): Promise<void> {
  const { informers, executor, clock, signal } = deps;
  const object = informers.get(controller.for, key);
  const plan = controller.plan(key, object, informers, clock.now(), failures.get(key));
  failures.delete(key);
  if (plan.againAfterMs !== undefined) queue.addAfter(key, plan.againAfterMs);
  const written: Written[] = [];
  try {
    await executor.perform(plan.actions, written, (done) => {
      record(controller, deps, key, done);
      if (isStatus(done.error) && done.action.do !== 'event')
        failures.set(key, { do: done.action.do, kind: done.action.kind, error: done.error });
    });
  } finally {
    if (!controller.oneAtATime) free();
    if (written.length > 0) await withinTime(deps, (within) => catchUp(informers, written, within));
    if (controller.spacingMs !== undefined && !signal.aborted) await pause(deps, controller.spacingMs);
  }
}

function record(controller: AnyController, deps: RunnerDeps, key: ObjectKey, done: Performed): void {
  const { action, error } = done;
  deps.record({
    atMs: deps.clock.now(),
    controller: controller.name,
    for: key,
    do: action.do,
    what: describeAction(action),
    why: action.why,
    ...(error !== undefined && { error: messageOf(error) }),
  });
}

/** Calls `add` with the keys that each change concerns, beginning with all that exist. */
function subscribe(
  controller: AnyController,
  informers: Informers,
  add: (key: ObjectKey) => void,
): (() => void)[] {
  const own = informers.find(controller.for);
  if (!own) throw new RangeError(`${controller.name} has no informer of ${resourceName(controller.for)}`);
  const ends = [own.onChange(({ object }) => add(keyOf(object)))];
  for (const wake of controller.wakes) {
    const informer = informers.find(wake.kind);
    if (!informer)
      throw new RangeError(`${controller.name} wakes by ${resourceName(wake.kind)} but does not read it`);
    const tell = (object: ApiObject) => {
      for (const key of wake.keys(object, informers)) add(key);
    };
    ends.push(
      informer.onChange((change: Change<ApiObject>) => {
        if (change.type === 'modified') tell(change.previous);
        tell(change.object);
      }),
    );
  }
  return ends;
}

/** Runs `act` with a signal that aborts when time is up (which is no failure) or on a crash. */
async function withinTime(deps: RunnerDeps, act: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { clock, log, signal } = deps;
  if (signal.aborted) return;
  const over = new AbortController();
  let isLate = false;
  const crash = () => over.abort(signal.reason);
  signal.addEventListener('abort', crash, { once: true });
  const timer = clock.timer(CATCH_UP_MS, () => {
    isLate = true;
    over.abort();
  });
  try {
    await act(over.signal);
  } catch (error) {
    if (signal.aborted) return;
    if (!isLate) throw error;
    log.warn('a cache did not show what was written', { afterMs: CATCH_UP_MS });
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', crash);
  }
}

function pause({ clock, signal }: RunnerDeps, ms: number): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.timer(ms, end);
    function end() {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    }
    signal.addEventListener('abort', end, { once: true });
  });
}
