import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '#api/objects.ts';
import { withCondition } from '#api/semantics/conditions.ts';
import { qosClassOf } from '#api/semantics/qos.ts';
import { isSidecar } from '#api/semantics/resources.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { volumeMountStatuses } from '../spec/mounts.ts';
import { type ContainerObserved, isRunning, type Observed, type Run } from './observed.ts';
import { isResizing, wantsResize } from './resize.ts';
import { restartAtMs } from './restart.ts';
import { ending } from './step.ts';
import {
  appContainers,
  ephemeralContainers,
  initContainers,
  isInitDone,
  isInitialized,
  needOf,
  type View,
} from './view.ts';

/** What of the node a pod's status repeats. */
export interface NodeAddresses {
  hostIPs: readonly string[];
}

/**
 * The whole status of a pod as this node sees it. Pure; conditions that others own are kept. Source: Kubernetes
 * documentation, "Pod Lifecycle".
 */
export function podStatus(view: View, node: NodeAddresses): PodStatus {
  const { pod, observed } = view;
  const initialized = isInitialized(pod, observed);
  const init = initContainers(pod).map((one) => containerStatus(view, one, true, initialized));
  const app = appContainers(pod).map((one) => containerStatus(view, one, false, initialized));
  const ephemeral = ephemeralContainers(pod).map((one) => ephemeralStatus(view, one));
  const phase = phaseOf(view, app, initialized);
  const rejected = observed.terminal?.rejected ?? false;
  const why = observed.terminal?.reason ? observed.terminal : phase === 'Failed' ? ending(view) : undefined;
  const ips = pod.spec?.hostNetwork
    ? [...node.hostIPs]
    : (observed.attachment?.addresses ?? knownIPs(pod, phase));
  return {
    phase,
    conditions: conditionsOf(view, phase, initialized, [...init, ...app], app),
    ...(why?.reason && { reason: why.reason, message: why.message }),
    hostIP: node.hostIPs[0],
    hostIPs: node.hostIPs.map((ip) => ({ ip })),
    ...(ips.length > 0 && { podIP: ips[0]!, podIPs: ips.map((ip) => ({ ip })) }),
    startTime: rfc3339(observed.startTimeMs),
    ...(init.length > 0 && !rejected && { initContainerStatuses: init }),
    ...(!rejected && { containerStatuses: app }),
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
    qosClass: pod.status?.qosClass ?? qosClassOf(pod.spec!),
  };
}

/** A pod that ended keeps showing the address it had. */
function knownIPs(pod: Pod, phase: string): string[] {
  return phase === 'Succeeded' || phase === 'Failed' ? (pod.status?.podIPs ?? []).map(({ ip }) => ip) : [];
}

function containerStatus(
  view: View,
  container: Container,
  isInit: boolean,
  initialized: boolean,
): ContainerStatus {
  const observed = view.observed.containers.get(container.name);
  const state = stateOf(view, container, isInit, initialized, observed);
  const run = observed?.run;
  const last = state.terminated ? observed?.last : run?.exit ? run : observed?.last;
  const ready = isInit && !isSidecar(container) ? run?.exit?.code === 0 : isReady(observed);
  const volumeMounts = run ? volumeMountStatuses(container) : [];
  return {
    name: container.name,
    image: container.image ?? '',
    imageID: run?.imageId ?? '',
    ...(run && { containerID: containerIdOf(view.pod, run) }),
    ready,
    started: state.running ? observed?.started === true && observed.hooked : false,
    restartCount: run?.attempt ?? 0,
    state,
    lastState: last?.exit ? { terminated: terminated(view.pod, last) } : {},
    ...resourcesOf(container, observed),
    ...(volumeMounts.length > 0 && { volumeMounts }),
  };
}

/** What it was granted, and what is in force. Source: Kubernetes, core/v1 ContainerStatus. */
function resourcesOf(container: Container, observed: ContainerObserved | undefined) {
  const { requests } = container.resources ?? {};
  const { claims: _, ...granted } = container.resources ?? {};
  return {
    ...(requests && { allocatedResources: requests }),
    resources: (isRunning(observed) && observed?.run?.resources) || granted,
  };
}

/** It has no probes, so it is never ready. */
function ephemeralStatus(view: View, container: Container): ContainerStatus {
  const { started: _, ...status } = containerStatus(view, container, false, true);
  return { ...status, ready: false };
}

function isReady(observed: ContainerObserved | undefined): boolean {
  return isRunning(observed) && observed!.hooked && observed!.started === true && observed!.ready === true;
}

function containerIdOf(pod: Pod, run: Run): string {
  return `gantry://${pod.metadata.uid}.${run.id}`;
}

function stateOf(
  view: View,
  container: Container,
  isInit: boolean,
  initialized: boolean,
  observed: ContainerObserved | undefined,
): ContainerState {
  const run = observed?.run;
  if (run && !run.exit) return { running: { startedAt: rfc3339(run.startedAtMs) } };
  const stopped = view.observed.stage !== 'run';
  if (observed && run?.exit) {
    const waits = !stopped && needOf(view, container, isInit) !== 'nothing';
    if (waits && observed.waiting) return { waiting: { ...observed.waiting } };
    if (waits && restartAtMs(observed) > view.nowMs)
      return { waiting: crashLoop(view.pod, container, observed) };
    return { terminated: terminated(view.pod, run) };
  }
  if (observed?.waiting && !(isInit ? false : !initialized)) return { waiting: { ...observed.waiting } };
  return {
    waiting: { reason: initContainers(view.pod).length > 0 ? 'PodInitializing' : 'ContainerCreating' },
  };
}

function crashLoop(
  pod: Pod,
  container: Container,
  { backoffMs }: ContainerObserved,
): { reason: string; message: string } {
  const { name, namespace, uid } = pod.metadata;
  const delay = formatDelay(backoffMs);
  return {
    reason: 'CrashLoopBackOff',
    message: `back-off ${delay} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`,
  };
}

/** `10s`, `1m20s`: as Go writes a duration of whole seconds. */
function formatDelay(ms: number): string {
  const seconds = ms / 1000;
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function terminated(pod: Pod, run: Run): NonNullable<ContainerState['terminated']> {
  const exit = run.exit!;
  const message = run.message || exit.message;
  return {
    exitCode: exit.code,
    reason: EXIT_REASONS[exit.reason],
    ...(message && { message }),
    startedAt: rfc3339(run.startedAtMs),
    finishedAt: rfc3339(exit.finishedAtMs),
    containerID: containerIdOf(pod, run),
  };
}

const EXIT_REASONS: Record<NonNullable<Run['exit']>['reason'], string> = {
  Completed: 'Completed',
  Error: 'Error',
  OOMKilled: 'OOMKilled',
  ContainerCannotRun: 'StartError',
  Lost: 'ContainerStatusUnknown',
};

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

function phaseOf(view: View, app: readonly ContainerStatus[], initialized: boolean): Phase {
  const end = ending(view);
  const { observed } = view;
  const anyRuns = [...observed.containers.values()].some(isRunning);
  if (end && !anyRuns) return end.phase;
  if (observed.stage !== 'run' && !anyRuns) return stoppedPhase(app);
  if (!initialized) return 'Pending';
  const never = app.some(
    (status) => !status.state?.running && !status.state?.terminated && !status.lastState?.terminated,
  );
  return never ? 'Pending' : 'Running';
}

/** A pod that was stopped from outside: what its containers made of it. */
function stoppedPhase(app: readonly ContainerStatus[]): Phase {
  const codes = app.map((status) => status.state?.terminated?.exitCode);
  return codes.length > 0 && codes.every((code) => code === 0) ? 'Succeeded' : 'Failed';
}

function conditionsOf(
  view: View,
  phase: Phase,
  initialized: boolean,
  all: readonly ContainerStatus[],
  app: readonly ContainerStatus[],
): PodCondition[] {
  const { pod, observed, nowMs } = view;
  const running = [...all.filter(({ name }) => isSidecarName(pod, name)), ...app];
  const ready = containersReady(running, phase);
  const wanted: PodCondition[] = [
    condition('PodReadyToStartContainers', isNetworkReady(pod, observed)),
    initializedCondition(pod, observed, phase, initialized),
    gated(pod, ready),
    { ...ready, type: 'ContainersReady' },
    condition('PodScheduled', true),
    ...resizeConditions(view),
    ...disruption(observed),
  ];
  // Of ours there is none but those of now.
  let conditions = (pod.status?.conditions ?? []).filter(
    ({ type }) => !RESIZE_CONDITIONS.includes(type) || wanted.some((one) => one.type === type),
  );
  for (const one of wanted) {
    // What was false for a reason and is true now must not keep the words.
    conditions = withCondition(conditions, { ...one, reason: one.reason, message: one.message }, nowMs);
  }
  // Those of others first, then the agent's own in this order, as the kubelet has them.
  const own = (type: string) => wanted.findIndex((one) => one.type === type);
  return conditions.toSorted((a, b) => own(a.type) - own(b.type));
}

/** Source: Kubernetes documentation, "Pod disruption conditions". */
function disruption({ terminal }: Observed): PodCondition[] {
  if (terminal?.disruptedMs === undefined) return [];
  return [condition('DisruptionTarget', true, 'TerminationByKubelet', terminal.message)];
}

/** They are there only while they hold. */
export const RESIZE_CONDITIONS = ['PodResizePending', 'PodResizeInProgress'];

function resizeConditions(view: View): PodCondition[] {
  const { observed } = view;
  const found: PodCondition[] = [];
  if (wantsResize(view) && observed.pending) {
    const { reason, message, generation } = observed.pending;
    found.push({ ...condition('PodResizePending', true, reason, message), observedGeneration: generation });
  }
  if (isResizing(view) && observed.resizeGeneration !== undefined) {
    const fault = observed.retries.get('resizePod')?.fault;
    const why = condition('PodResizeInProgress', true, fault && 'Error', fault?.message);
    found.push({ ...why, observedGeneration: observed.resizeGeneration });
  }
  return found;
}

function isSidecarName(pod: Pod, name: string): boolean {
  return initContainers(pod).some((container) => container.name === name && isSidecar(container));
}

function isNetworkReady(pod: Pod, observed: Observed): boolean {
  return (
    observed.sandbox === 'ready' && (pod.spec?.hostNetwork === true || observed.attachment !== undefined)
  );
}

function condition(type: string, holds: boolean, reason?: string, message?: string): PodCondition {
  return { type, status: holds ? 'True' : 'False', ...(reason && { reason }), ...(message && { message }) };
}

function initializedCondition(
  pod: Pod,
  observed: Observed,
  phase: Phase,
  initialized: boolean,
): PodCondition {
  if (phase === 'Succeeded') return condition('Initialized', true, 'PodCompleted');
  if (initialized) return condition('Initialized', true);
  const missing = initContainers(pod)
    .filter((one) => !isInitDone(one, observed.containers.get(one.name)))
    .map(({ name }) => name);
  return condition(
    'Initialized',
    false,
    'ContainersNotInitialized',
    `containers with incomplete status: [${missing.join(' ')}]`,
  );
}

function containersReady(statuses: readonly ContainerStatus[], phase: Phase): PodCondition {
  if (phase === 'Succeeded') return condition('Ready', false, 'PodCompleted');
  if (phase === 'Failed') return condition('Ready', false, 'PodFailed');
  const unready = statuses.filter((status) => !status.ready).map(({ name }) => name);
  if (unready.length === 0) return condition('Ready', true);
  return condition(
    'Ready',
    false,
    'ContainersNotReady',
    `containers with unready status: [${unready.join(' ')}]`,
  );
}

/** Ready = containers ready, and every readiness gate true. */
function gated(pod: Pod, ready: PodCondition): PodCondition {
  if (ready.status !== 'True') return ready;
  const faults = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (!found) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (found.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`];
  });
  return faults.length > 0 ? condition('Ready', false, 'ReadinessGatesNotReady', faults.join(', ')) : ready;
}
