import { isSidecar } from '#api/semantics/resources.ts';
import { type Effect, effectKey } from './effects.ts';
import { POD_HOOKS, stopContainers } from './hooks.ts';
import { isRunning, STAGES, type Stage, type Terminal } from './observed.ts';
import { wantsResize } from './resize.ts';
import { restartAtMs } from './restart.ts';
import { appContainers, initContainers, isBusy, mayDo, needOf, type View } from './view.ts';

/**
 * The next stage of a pod and what to do now. Pure and monotonic: the worker calls it again after every change and begins
 * the effects that are not yet under way. Nothing here waits or retries: times to look again are in `wakeAtMs`.
 */
export interface Step {
  next: Stage;
  effects: Effect[];
  /** Look again at this time though nothing changed; Infinity = never. */
  wakeAtMs: number;
}

export function step(view: View): Step {
  const next = nextStage(view);
  if (STAGES.indexOf(next) < STAGES.indexOf(view.observed.stage)) {
    throw new Error(`a pod cannot go back from ${view.observed.stage} to ${next}`);
  }
  return { next, effects: EFFECTS[next](view), wakeAtMs: wakeAtMs(view) };
}

const EFFECTS: Record<Stage, (view: View) => Effect[]> = {
  run: (view) =>
    view.observed.haltMs !== undefined
      ? stopContainers(view)
      : [...POD_HOOKS.flatMap((hook) => hook.before(view)), ...POD_HOOKS.flatMap((hook) => hook.after(view))],
  stop: stopContainers,
  teardown(view) {
    for (const hook of [...POD_HOOKS].reverse()) {
      if (isUndone[hook.name](view)) continue;
      return hook.undo(view);
    }
    return [];
  },
  finished(view) {
    const wanted = isGoing(view) && !view.observed.removed && !view.observed.deleted;
    return wanted && mayDo(view, 'deleteObject') ? [{ do: 'deleteObject' }] : [];
  },
  gone: () => [],
};

type HookName = (typeof POD_HOOKS)[number]['name'];

/** Total: a new hook does not compile until it is said when it is undone. */
const isUndone: Record<HookName, (view: View) => boolean> = {
  images: () => true,
  volumes: ({ observed }) => !observed.mounted,
  sandbox: ({ observed }) => observed.sandbox === 'none',
  network: ({ observed }) => !observed.attached,
  resize: () => true,
  containers: () => true,
  probes: () => true,
};

function nextStage(view: View): Stage {
  const { observed } = view;
  switch (observed.stage) {
    case 'run':
      return isGoing(view) || ending(view) ? nextOf('stop', view) : 'run';
    case 'stop':
      return nextOf('stop', view);
    case 'teardown':
      return nextOf('teardown', view);
    case 'finished':
      return nextOf('finished', view);
    case 'gone':
      return 'gone';
  }
}

/** As far as the pod can move at once from `stage`. */
function nextOf(stage: 'stop' | 'teardown' | 'finished', view: View): Stage {
  const { observed } = view;
  if (stage === 'stop') {
    // What is being made is finished first, so that it is known and can be undone. A pull is simply left behind.
    const making = ['startContainer', 'createSandbox', 'attachNetwork', 'mountVolumes', 'removeSandbox'];
    const running = [...observed.containers.values()].some(isRunning);
    if (running || making.some((prefix) => isBusy(view, prefix))) return 'stop';
    return nextOf('teardown', view);
  }
  if (stage === 'teardown') {
    if (!POD_HOOKS.every((hook) => isUndone[hook.name](view))) return 'teardown';
    return nextOf('finished', view);
  }
  return observed.removed || observed.deleted ? 'gone' : 'finished';
}

/** Nothing of it runs, and nothing will: the machine may go down. */
export function isHalted(view: View): boolean {
  const { containers, haltMs } = view.observed;
  return haltMs !== undefined && ![...containers.values()].some(isRunning) && !isBusy(view, 'startContainer');
}

/** Somebody wants the pod away. */
function isGoing({ pod, observed }: View): boolean {
  return observed.removed || pod.metadata.deletionTimestamp !== undefined;
}

/** Why a pod nobody deletes comes to its end: its containers are done, or its time is over. */
export function ending(view: View): Terminal | undefined {
  const { pod, observed } = view;
  if (observed.terminal) return observed.terminal;
  const deadline = pod.spec?.activeDeadlineSeconds;
  if (deadline !== undefined && view.nowMs >= observed.startTimeMs + deadline * 1000) {
    const message = 'Pod was active on the node longer than the specified deadline';
    return { phase: 'Failed', reason: 'DeadlineExceeded', message };
  }
  for (const container of initContainers(pod)) {
    const exit = observed.containers.get(container.name)?.run?.exit;
    if (exit && exit.code !== 0 && !isSidecar(container) && needOf(view, container, true) === 'nothing') {
      return { phase: 'Failed', reason: '', message: '' };
    }
  }
  const exits = appContainers(pod).map((container) => {
    const exit = observed.containers.get(container.name)?.run?.exit;
    return exit && needOf(view, container, false) === 'nothing' ? exit : undefined;
  });
  if (exits.length === 0 || exits.includes(undefined)) return undefined;
  const failed = exits.some((exit) => exit!.code !== 0);
  return { phase: failed ? 'Failed' : 'Succeeded', reason: '', message: '' };
}

function wakeAtMs(view: View): number {
  const { observed, pod, nowMs } = view;
  const times = [...observed.retries.values()].map(({ untilMs }) => untilMs);
  if (observed.stage === 'run') {
    times.push(observed.volumesDueMs);
    if (observed.pending && wantsResize(view)) times.push(observed.pending.untilMs);
    for (const container of observed.containers.values()) times.push(restartAtMs(container));
    const deadline = pod.spec?.activeDeadlineSeconds;
    if (deadline !== undefined) times.push(observed.startTimeMs + deadline * 1000);
  }
  return Math.min(...times.filter((time) => time > nowMs), Number.POSITIVE_INFINITY);
}

/** The effects of a step that are not under way. */
export function fresh(effects: readonly Effect[], busy: ReadonlySet<string>): Effect[] {
  return effects.filter((effect) => !busy.has(effectKey(effect)));
}
