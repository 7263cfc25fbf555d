import type { Container } from '#api/objects.ts';
import { isSidecar } from '#api/semantics/resources.ts';
import { type Effect, effectKey } from './effects.ts';
import { containerObserved, isRunning } from './observed.ts';
import { asksNode, restartEffects, writesLimits } from './resize.ts';
import {
  appContainers,
  ephemeralContainers,
  initContainers,
  isBusy,
  isInitDone,
  isInitialized,
  isPrepared,
  mayDo,
  needOf,
  nextAttempt,
  startKey,
  type View,
} from './view.ts';

/**
 * The parts of a pod on its node, in the order they are made; they are undone in the reverse order. Each says, from what is
 * known, what to do next: `before` containers may start, `after` (containers and what follows them) and to `undo` it.
 * All pure. Effects of several hooks run at the same time; what needs another's result waits for it by looking.
 */
export interface PodHook {
  name: 'images' | 'volumes' | 'sandbox' | 'network' | 'resize' | 'containers' | 'probes';
  before(view: View): Effect[];
  after(view: View): Effect[];
  undo(view: View): Effect[];
}

const nothing = () => [];

function when(view: View, wanted: boolean, effect: Effect): Effect[] {
  return wanted && mayDo(view, effectKey(effect)) ? [effect] : [];
}

const images: PodHook = {
  name: 'images',
  before(view) {
    const { pod, observed } = view;
    // Init containers run first: what comes later is fetched meanwhile all the same.
    const all = [...initContainers(pod), ...appContainers(pod), ...ephemeralContainers(pod)];
    return all.flatMap((container) => {
      const known = observed.images.get(container.name);
      return when(view, known === undefined || 'failed' in known, {
        do: 'resolveImage',
        container: container.name,
      });
    });
  },
  after: nothing,
  undo: nothing,
};

const volumes: PodHook = {
  name: 'volumes',
  before: (view) =>
    when(view, view.observed.volumes === undefined || view.observed.volumesDueMs <= view.nowMs, {
      do: 'mountVolumes',
    }),
  after: nothing,
  undo: (view) => when(view, view.observed.mounted, { do: 'unmountVolumes' }),
};

const sandbox: PodHook = {
  name: 'sandbox',
  before(view) {
    if (view.observed.sandbox === 'lost') return when(view, true, { do: 'removeSandbox' });
    return when(view, view.observed.sandbox === 'none', { do: 'createSandbox' });
  },
  after: nothing,
  undo: (view) => when(view, view.observed.sandbox !== 'none', { do: 'removeSandbox' }),
};

const network: PodHook = {
  name: 'network',
  before: (view) =>
    when(
      view,
      !view.pod.spec?.hostNetwork && view.observed.sandbox === 'ready' && !view.observed.attachment,
      { do: 'attachNetwork' },
    ),
  after: nothing,
  undo: (view) => when(view, view.observed.attached, { do: 'detachNetwork' }),
};

const resize: PodHook = {
  name: 'resize',
  before: (view) => when(view, asksNode(view), { do: 'allocate' }),
  after: (view) => [
    ...when(view, writesLimits(view), { do: 'resizePod' }),
    ...restartEffects(view, (_, name, why) => stop(view, name, podGraceMs(view), why, true)),
  ],
  undo: nothing,
};

const containers: PodHook = {
  name: 'containers',
  before: nothing,
  after(view) {
    return [...killUnhealthy(view), ...startNext(view), ...startEphemeral(view), ...forget(view)];
  },
  undo: nothing,
};

/** Containers to start now: init containers one after the other, then all app containers in order. */
function startNext(view: View): Effect[] {
  const { pod, observed } = view;
  if (!isPrepared(view)) return [];
  const effects: Effect[] = [];
  const initialized = isInitialized(pod, observed);
  for (const container of initContainers(pod)) {
    if (initialized && !isSidecar(container)) continue;
    effects.push(...start(view, container, true));
    if (!initialized && !isInitDone(container, observed.containers.get(container.name))) return effects;
  }
  for (const container of appContainers(pod)) {
    effects.push(...start(view, container, false));
    // In order: the next one begins when this one has started, or cannot for now.
    const state = observed.containers.get(container.name);
    if (effects.length > 0 || isBusy(view, `startContainer:${container.name}.`)) return effects;
    if (state?.run && !state.run.exit && !state.hooked) return effects;
  }
  return effects;
}

/** They wait for nobody, and nobody waits for them. Source: Kubernetes documentation, "Ephemeral Containers". */
function startEphemeral(view: View): Effect[] {
  if (!isPrepared(view)) return [];
  return ephemeralContainers(view.pod).flatMap((container) => start(view, container, false));
}

function start(view: View, container: Container, isInit: boolean): Effect[] {
  const image = view.observed.images.get(container.name);
  if (!image || 'failed' in image || needOf(view, container, isInit) !== 'start') return [];
  const attempt = nextAttempt(view.observed.containers.get(container.name));
  return mayDo(view, startKey(container.name, attempt))
    ? [{ do: 'startContainer', container: container.name, attempt }]
    : [];
}

function killUnhealthy(view: View): Effect[] {
  const effects: Effect[] = [];
  for (const [name, container] of view.observed.containers) {
    if (!container.unhealthy || !isRunning(container)) continue;
    const graceMs = container.unhealthy.graceMs ?? podGraceMs(view);
    effects.push(...stop(view, name, graceMs, container.unhealthy.message));
  }
  return effects;
}

function forget(view: View): Effect[] {
  return [...view.observed.leftovers].flatMap((id) => when(view, true, { do: 'forgetContainer', id }));
}

const probes: PodHook = {
  name: 'probes',
  before: nothing,
  after(view) {
    const effects: Effect[] = [];
    for (const [name, container] of view.observed.containers) {
      if (!isRunning(container) || !container.hooked || container.probing) continue;
      effects.push(
        ...when(view, true, { do: 'startProbes', container: name, attempt: container.run!.attempt }),
      );
    }
    return effects;
  },
  undo: nothing,
};

/** A driver of something new is one entry here. */
export const POD_HOOKS: readonly PodHook[] = [images, volumes, sandbox, network, resize, containers, probes];

/** Milliseconds the pod's processes have between SIGTERM and SIGKILL. */
function podGraceMs(view: Pick<View, 'pod' | 'observed'>): number {
  const { haltMs = Number.POSITIVE_INFINITY, terminal } = view.observed;
  return Math.min(ownGraceMs(view), haltMs, terminal?.disruptedMs ?? Number.POSITIVE_INFINITY);
}

function ownGraceMs({ pod, observed }: Pick<View, 'pod' | 'observed'>): number {
  const own = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
  if (observed.removed && pod.metadata.deletionGracePeriodSeconds === undefined) return LEAST_GRACE_MS;
  const asked = pod.metadata.deletionGracePeriodSeconds;
  return Math.max(LEAST_GRACE_MS, asked === undefined ? own : asked * 1000);
}

/** Also a forced deletion lets a process write its last line. Source: Kubernetes, `kubectl delete --force`. */
const LEAST_GRACE_MS = 1000;

/** Stops what runs: app containers and init containers first, then sidecars, the last one first. */
export function stopContainers(view: View): Effect[] {
  const { pod, observed } = view;
  const running = [...observed.containers]
    .filter(([, container]) => isRunning(container))
    .map(([name]) => name);
  const sidecarNames = initContainers(pod)
    .filter(isSidecar)
    .map(({ name }) => name);
  const first = running.filter((name) => !sidecarNames.includes(name));
  const last = sidecarNames.filter((name) => running.includes(name)).at(-1);
  const targets = first.length > 0 ? first : last ? [last] : [];
  return targets.flatMap((name) => stop(view, name, podGraceMs(view), `Stopping container ${name}`));
}

/** A stop under way is begun again only with less grace. */
function stop(view: View, name: string, graceMs: number, why: string, replaces = false): Effect[] {
  const container = containerObserved(view.observed, name);
  if (container.stoppingMs !== undefined && container.stoppingMs <= graceMs && isBusy(view, stopPrefix(name)))
    return [];
  const attempt = container.run!.attempt;
  return when(view, true, {
    ...{ do: 'stopContainer', container: name, attempt, graceMs, why },
    ...(replaces && { replaces }),
  });
}

function stopPrefix(name: string): string {
  return `stopContainer:${name}.`;
}
