import type { ContainerStatus, Pod, ResourceRequirements } from '#api/objects.ts';
import type { PodAttachment } from '#network/contract.ts';
import type { ContainerState, SandboxState } from '#runtime/contract.ts';
import { LABELS } from '../spec/sandbox.ts';
import { stopSignalOf } from '../spec/stop-signal.ts';
import { learn } from './learn.ts';
import { containerObserved, newObserved, type Observed, type Run } from './observed.ts';
import { backoffAfter } from './restart.ts';

/**
 * What is known of a pod when its worker begins: from the runtime what runs, from the pod's last status what the runtime
 * may have forgotten. A container that runs is taken over as it is, never restarted.
 */
export function adopt(
  pod: Pod,
  sandbox: SandboxState | undefined,
  attachment: PodAttachment | undefined,
  nowMs: number,
): Observed {
  const observed = newObserved(Date.parse(pod.status?.startTime ?? '') || nowMs);
  const statuses = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.ephemeralContainerStatuses ?? []),
  ];
  for (const status of statuses) recall(observed, status);
  // Files of the pod may be there; to undo what is not there is harmless.
  observed.mounted = true;
  observed.attached = attachment !== undefined;
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') {
    const { reason = '', message = '' } = pod.status!;
    observed.terminal = { phase, reason, message, ...(statuses.length === 0 && { rejected: true }) };
  }
  if (!sandbox) {
    if (statuses.some(({ containerID }) => containerID)) learn(observed, { is: 'sandboxLost', nowMs });
    observed.sandbox = 'none';
    return observed;
  }
  observed.sandbox = sandbox.state;
  observed.networkNamespace = sandbox.networkNamespace;
  // Before its first container has started, a crash may have come between the attachment and what follows from it: it is
  // attached again, which changes nothing that is there.
  const begun = sandbox.containers.length > 0;
  if (attachment && begun && sandbox.state === 'ready') observed.attachment = attachment;
  for (const container of [...sandbox.containers].sort((a, b) => attemptOf(a) - attemptOf(b))) {
    take(observed, container, statuses);
  }
  noteLeftovers(observed, sandbox);
  if (sandbox.state === 'lost') learn(observed, { is: 'sandboxLost', nowMs });
  else endMissing(observed, sandbox, nowMs);
  return observed;
}

/** Older starts that a restart of the agent kept from being forgotten. */
function noteLeftovers(observed: Observed, sandbox: SandboxState): void {
  const kept = new Set<string>();
  for (const { run, last } of observed.containers.values()) {
    for (const one of [run, last]) if (one) kept.add(one.id);
  }
  for (const { id } of sandbox.containers) if (!kept.has(id)) observed.leftovers.add(id);
}

function attemptOf(container: ContainerState): number {
  return Number(container.labels[LABELS.attempt] ?? 0);
}

/** What it was started with. A resize since then is written once more, which changes nothing. */
function resourcesOf({ labels }: ContainerState): Pick<Run, 'resources'> {
  const text = labels[LABELS.resources];
  return text ? { resources: JSON.parse(text) as ResourceRequirements } : {};
}

function take(observed: Observed, container: ContainerState, statuses: readonly ContainerStatus[]): void {
  const name = container.labels[LABELS.container];
  if (!name) return;
  const state = containerObserved(observed, name);
  const attempt = attemptOf(container);
  const stopSignal = stopSignalOf(container.labels[LABELS.stopSignal] ?? '');
  const run: Run = {
    id: container.id,
    attempt,
    image: container.labels[LABELS.image] ?? '',
    imageId: container.labels[LABELS.imageId] ?? '',
    startedAtMs: container.startedAtMs,
    ...(stopSignal !== undefined && { stopSignal }),
    ...(container.exit && { exit: container.exit }),
    ...resourcesOf(container),
  };
  const known = state.run?.attempt === attempt ? state.run : undefined;
  if (known?.message !== undefined) run.message = known.message;
  if (!known && state.run && state.run.attempt < attempt) {
    if (state.last) observed.leftovers.add(state.last.id);
    state.last = state.run;
  }
  if (!state.run || attempt >= state.run.attempt) {
    state.run = run;
    state.restartedAtMs = run.startedAtMs;
    state.backoffMs = backoffAfter(attempt);
    // A hook that was cut short by the agent's end is not run again.
    state.hooked = true;
  }
  if (container.state === 'exited') return;
  const status = statuses.find((one) => one.name === name && one.restartCount === attempt);
  if (status?.state?.running) {
    state.ready = status.ready;
    state.started = status.started ?? false;
  }
}

/** What the pod's status tells of a container that the runtime may not know any more. */
function recall(observed: Observed, status: ContainerStatus): void {
  const last = status.lastState?.terminated;
  const now = status.state?.terminated;
  const running = status.state?.running;
  if (!status.containerID) return;
  const attempt = status.restartCount;
  const state = containerObserved(observed, status.name);
  state.backoffMs = backoffAfter(attempt);
  const base = { image: status.image, imageId: status.imageID };
  if (now) state.run = ended(status.name, attempt, base, now);
  else if (running) {
    const startedAtMs = Date.parse(String(running.startedAt)) || 0;
    state.run = { id: `${status.name}.${attempt}`, attempt, ...base, startedAtMs };
  } else if (last) state.run = ended(status.name, attempt, base, last);
  if ((now || running) && last && attempt > 0) state.last = ended(status.name, attempt - 1, base, last);
  if (state.run) state.restartedAtMs = state.run.startedAtMs;
}

type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

function ended(
  name: string,
  attempt: number,
  base: { image: string; imageId: string },
  from: Terminated,
): Run {
  const finishedAtMs = Date.parse(String(from.finishedAt)) || 0;
  return {
    id: `${name}.${attempt}`,
    attempt,
    ...base,
    startedAtMs: Date.parse(String(from.startedAt)) || 0,
    exit: { code: from.exitCode, reason: REASONS[from.reason ?? ''] ?? 'Error', finishedAtMs },
    ...(from.message !== undefined && { message: from.message }),
  };
}

const REASONS: Record<string, NonNullable<Run['exit']>['reason']> = {
  Completed: 'Completed',
  Error: 'Error',
  OOMKilled: 'OOMKilled',
  StartError: 'ContainerCannotRun',
  ContainerStatusUnknown: 'Lost',
};

/** A container that the status says runs and the runtime does not know has gone with something that was lost. */
function endMissing(observed: Observed, sandbox: SandboxState, nowMs: number): void {
  const present = new Set(sandbox.containers.map(({ id }) => id));
  for (const { run } of observed.containers.values()) {
    if (run && !run.exit && !present.has(run.id)) {
      run.exit = { code: 137, reason: 'Lost', finishedAtMs: nowMs };
    }
  }
}
