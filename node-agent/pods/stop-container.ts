import type { Container } from '#api/objects.ts';
import { messageOf } from '#machinery/errors.ts';
import { RuntimeError } from '#runtime/contract.ts';
import { containerId } from '../spec/container.ts';
import { fieldPath } from './context.ts';
import type { Effect } from './effects.ts';
import type { Work } from './executor.ts';
import { type Handler, runHandler } from './lifecycle.ts';
import { podAddressesOf } from './make-container.ts';
import { findContainer } from './view.ts';

/** Whatever a preStop hook takes, the process gets this long after SIGTERM. Source: Kubernetes, minimumGracePeriod. */
const LEAST_TERM_MS = 2000;

/** preStop, SIGTERM (or the image's stop signal), SIGKILL when the grace is over; resolves when the container has exited. */
export async function stopContainer(
  effect: Extract<Effect, { do: 'stopContainer' }>,
  work: Work,
): Promise<void> {
  const { pod, context, tell } = work;
  const { container: name, attempt, graceMs } = effect;
  const uid = pod.metadata.uid!;
  const id = containerId(name, attempt);
  const first = !work.preStopped.has(id);
  if (first)
    context.recorder.record(pod, 'Normal', { reason: 'Killing', message: effect.why }, fieldPath(pod, name));
  const { replaces } = effect;
  tell({ is: 'stopping', container: name, attempt, graceMs, ...(replaces && { replaces }) });
  context.prober.stop(uid, id);
  let leftMs = graceMs;
  const container = findContainer(pod, name)?.container;
  const preStop = container?.lifecycle?.preStop;
  work.preStopped.add(id);
  if (first && preStop && container) {
    const began = context.clock.monotonic();
    await runBounded(preStop, container, attempt, work, graceMs, 'FailedPreStopHook', 'PreStopHook failed');
    leftMs = Math.max(Math.min(LEAST_TERM_MS, graceMs), graceMs - (context.clock.monotonic() - began));
  }
  try {
    const signal = work.observed.containers.get(name)?.run?.stopSignal;
    const exit = await context.runtime.stopContainer(uid, id, leftMs, signal);
    await tell({ is: 'exited', container: name, attempt, exit });
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'NotFound') throw error;
    const exit = { code: 137, reason: 'Lost', finishedAtMs: context.clock.now() } as const;
    await tell({ is: 'exited', container: name, attempt, exit });
  }
}

/** A postStart hook that fails ends its container, which then restarts by its policy. */
export async function runPostStart(container: Container, attempt: number, work: Work): Promise<void> {
  const postStart = container.lifecycle?.postStart;
  if (!postStart) return;
  const failure = await runBounded(
    postStart,
    container,
    attempt,
    work,
    undefined,
    'FailedPostStartHook',
    'PostStartHook failed',
  );
  if (failure === undefined) return;
  work.tell({
    is: 'unhealthy',
    container: container.name,
    attempt,
    why: { reason: 'Killing', message: 'FailedPostStartHook' },
  });
}

/** The hook's failure in words, or undefined; ends it after `limitMs`, and in silence when its container has ended. */
async function runBounded(
  handler: Handler,
  container: Container,
  attempt: number,
  work: Work,
  limitMs: number | undefined,
  reason: string,
  words: string,
): Promise<string | undefined> {
  const { pod, observed, context } = work;
  const stop = new AbortController();
  const ended = work.ended(container.name, attempt);
  const signal = AbortSignal.any([stop.signal, ended, context.signal]);
  const id = containerId(container.name, attempt);
  const timer = limitMs === undefined ? undefined : context.clock.timer(limitMs, () => stop.abort());
  const podIP = podAddressesOf(pod, observed, context.node.hostIPs)[0] ?? '';
  const { runtime, clock, httpGet } = context;
  const sandbox = pod.metadata.uid!;
  try {
    await runHandler(
      handler,
      { sandbox, containerId: id, container, podIP, runtime, clock, httpGet },
      signal,
    );
    return undefined;
  } catch (error) {
    if (ended.aborted) return undefined;
    const message = `${words}: ${stop.signal.aborted ? 'the grace period is over' : messageOf(error)}`;
    context.recorder.record(pod, 'Warning', { reason, message }, fieldPath(pod, container.name));
    return message;
  } finally {
    timer?.cancel();
  }
}
