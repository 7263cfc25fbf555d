/**
 * What `kubectl get pods` says of a pod. The STATUS word follows the container that stands in the way: the first init
 * container that has not finished, then the last app container that waits or has ended.
 */
import { ageOf } from '#machinery/values/duration.ts';
import type { Column } from '../kind.ts';
import type { Container, ContainerState, ContainerStatus, Pod } from '../objects.ts';
import { ageColumn, column, nameColumn, orNone, wideColumn } from './columns.ts';

export interface PodSummary {
  /** Containers that are ready and how many there should be, sidecars included. */
  ready: number;
  total: number;
  /** `Running`, `Init:0/1`, `CrashLoopBackOff`, `Completed`, `Terminating`, ... */
  status: string;
  restarts: number;
  /** RFC 3339 time of the last restart, when there was one. */
  lastRestart: string | undefined;
}

/** The columns of a pod. */
export const podColumns: Column<Pod>[] = [
  nameColumn,
  column('Ready', 'string', 'Containers that are ready, of those that should be.', (pod) => {
    const { ready, total } = summarize(pod);
    return `${ready}/${total}`;
  }),
  column('Status', 'string', 'What the pod is doing, in one word.', (pod) => summarize(pod).status),
  column(
    'Restarts',
    'string',
    'How often containers of the pod were restarted, and when last.',
    (pod, now) => {
      const { restarts, lastRestart } = summarize(pod);
      return restarts > 0 && lastRestart ? `${restarts} (${ageOf(lastRestart, now)} ago)` : `${restarts}`;
    },
  ),
  ageColumn,
  wideColumn('IP', 'string', 'The first address of the pod.', (pod) =>
    orNone(pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP),
  ),
  wideColumn('Node', 'string', 'The node the pod is bound to.', (pod) => orNone(pod.spec?.nodeName)),
  wideColumn('Nominated Node', 'string', 'The node where pods are being evicted for this one.', (pod) =>
    orNone(pod.status?.nominatedNodeName),
  ),
  wideColumn(
    'Readiness Gates',
    'string',
    'Readiness gates that are true, of those that must be.',
    readinessGates,
  ),
];

/** Counts and status word of a pod. Pure; the same for every reader. */
export function summarize(pod: Pod): PodSummary {
  const status = pod.status ?? {};
  const inits = new Map((pod.spec?.initContainers ?? []).map((container) => [container.name, container]));
  const sidecars = [...inits.values()].filter(isSidecar).length;
  const summary: PodSummary = {
    ready: 0,
    total: (pod.spec?.containers ?? []).length + sidecars,
    status: status.reason || status.phase || '',
    restarts: 0,
    lastRestart: undefined,
  };
  if (hasCondition(pod, 'PodScheduled', (condition) => condition.reason === 'SchedulingGated')) {
    summary.status = 'SchedulingGated';
  }
  const sidecarRestarts = { restarts: 0, lastRestart: undefined as string | undefined };
  const blocked = summarizeInits(pod, inits, summary, sidecarRestarts);
  if (!blocked || hasCondition(pod, 'Initialized', (condition) => condition.status === 'True')) {
    Object.assign(summary, sidecarRestarts);
    summarizeContainers(pod, summary);
  }
  if (pod.metadata.deletionTimestamp) {
    if (status.reason === 'NodeLost') summary.status = 'Unknown';
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') summary.status = 'Terminating';
  }
  return summary;
}

/** Whether an init container keeps running beside the app containers. */
function isSidecar(container: Container | undefined): boolean {
  return container?.restartPolicy === 'Always';
}

/** Goes through the init containers until one is not done; returns whether there was one. */
function summarizeInits(
  pod: Pod,
  inits: Map<string, Container>,
  summary: PodSummary,
  sidecars: { restarts: number; lastRestart: string | undefined },
): boolean {
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = isSidecar(inits.get(container.name));
    countRestarts(summary, container);
    if (sidecar) countRestarts(sidecars, container);
    if (container.state?.terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) summary.ready++;
      continue;
    }
    const word = initWord(container.state);
    summary.status = `Init:${word ?? `${index}/${inits.size}`}`;
    return true;
  }
  return false;
}

function initWord(state: ContainerState | undefined): string | undefined {
  if (state?.terminated) return endWord(state.terminated);
  const reason = state?.waiting?.reason;
  return reason && reason !== 'PodInitializing' ? reason : undefined;
}

/** From the last container to the first, so that the first that has something to say wins. */
function summarizeContainers(pod: Pod, summary: PodSummary): void {
  let running = false;
  for (const container of (pod.status?.containerStatuses ?? []).toReversed()) {
    countRestarts(summary, container);
    const { state } = container;
    if (state?.waiting?.reason) summary.status = state.waiting.reason;
    else if (state?.terminated) summary.status = endWord(state.terminated);
    else if (container.ready && state?.running) {
      running = true;
      summary.ready++;
    }
  }
  if (summary.status === 'Completed' && running) {
    summary.status = hasCondition(pod, 'Ready', (condition) => condition.status === 'True')
      ? 'Running'
      : 'NotReady';
  }
}

function endWord(ended: { reason?: string; signal?: number; exitCode: number }): string {
  return ended.reason || (ended.signal ? `Signal:${ended.signal}` : `ExitCode:${ended.exitCode}`);
}

function countRestarts(
  into: { restarts: number; lastRestart: string | undefined },
  container: ContainerStatus,
): void {
  into.restarts += container.restartCount ?? 0;
  const ended = container.lastState?.terminated?.finishedAt;
  if (ended && (!into.lastRestart || Date.parse(ended) > Date.parse(into.lastRestart)))
    into.lastRestart = ended;
}

type Condition = { status: string; reason?: string };

function hasCondition(pod: Pod, type: string, test: (condition: Condition) => boolean): boolean {
  return (pod.status?.conditions ?? []).some((condition) => condition.type === type && test(condition));
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const met = gates.filter((gate) =>
    hasCondition(pod, gate.conditionType, (condition) => condition.status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}
