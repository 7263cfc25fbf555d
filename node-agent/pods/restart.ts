import type { Container, Pod } from '#api/objects.ts';
import { isSidecar } from '#api/semantics/resources.ts';
import type { ContainerObserved } from './observed.ts';

/** First and longest delay between restarts. Source: Kubernetes documentation, "Container restart policy". */
export const FIRST_BACKOFF_MS = 10_000;
export const MAX_BACKOFF_MS = 300_000;
/** A container that ran this long is forgiven. */
const FORGIVE_MS = 600_000;

/** Whether the pod's policy wants the container to run again after it exited with `code`. */
export function restarts(pod: Pod, container: Container, isInit: boolean, code: number): boolean {
  if (isInit && isSidecar(container)) return true;
  const policy = pod.spec?.restartPolicy ?? 'Always';
  if (isInit) return code !== 0 && policy !== 'Never';
  return policy === 'Always' || (policy === 'OnFailure' && code !== 0);
}

/** When an exited container may start again: at once the first time, then after a delay that doubles. */
export function restartAtMs(container: ContainerObserved): number {
  const exit = container.run?.exit;
  if (!exit || container.backoffMs === 0 || forgiven(container) || blameless(container)) return 0;
  return exit.finishedAtMs + container.backoffMs;
}

/** The delay to note when a restart begins. */
export function nextBackoffMs(container: ContainerObserved): number {
  if (blameless(container)) return container.backoffMs;
  if (container.backoffMs === 0 || forgiven(container)) return FIRST_BACKOFF_MS;
  return Math.min(MAX_BACKOFF_MS, container.backoffMs * 2);
}

function forgiven(container: ContainerObserved): boolean {
  return (container.run?.exit?.finishedAtMs ?? 0) - container.restartedAtMs > FORGIVE_MS;
}

/** It was replaced, or went with a lost sandbox or a reboot, and not at once: it did nothing wrong. */
function blameless({ run }: ContainerObserved): boolean {
  if (run?.replaced) return true;
  return run?.exit?.reason === 'Lost' && run.exit.finishedAtMs - run.startedAtMs >= FIRST_BACKOFF_MS;
}

/** What an adopted container's delay must have been after `attempt` restarts. */
export function backoffAfter(attempt: number): number {
  return attempt === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempt - 1, 10));
}
