import { PodKind } from '#api/kinds/pod.ts';
import type { Pod, PodStatus } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import type { Clock, Timer } from '#machinery/clock.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { RESIZE_CONDITIONS } from './status.ts';

/**
 * Writes the status of pods: one write at a time per pod, always the newest, again until it is taken. What changes
 * only in words waits a moment, so that a pod that starts quickly is written once. Invariants: a status is never
 * overtaken by an older one, and a pod that ended is never written as running.
 */
export interface StatusWriter {
  put(pod: Pod, status: PodStatus): void;
  /** Resolves once the newest status of the pod is written, or the pod is gone from the API. */
  flush(uid: string, signal: AbortSignal): Promise<void>;
  forget(uid: string): void;
}

export interface StatusWriterOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Called with what was written, for the checkpoint. */
  onWritten?: (pod: Pod, status: PodStatus) => void;
}

interface Entry {
  pod: Pod;
  status: PodStatus;
  /** JSON of the newest status and of the one the server has. */
  wanted: string;
  written: string;
  /** The server's version of the pod after that write. */
  version: number;
  writing: boolean;
  failures: number;
  timer?: Timer;
  timerAtMs: number;
  /** The server no longer has the pod. */
  lost: boolean;
  waiters: (() => void)[];
}

/** How long a change of words alone may wait for a better one. */
const LAZY_MS = 100;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;

export function statusWriter(options: StatusWriterOptions): StatusWriter {
  return new Writer(options);
}

class Writer implements StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  put(pod: Pod, status: PodStatus): void {
    const uid = pod.metadata.uid!;
    const wanted = JSON.stringify(status);
    let entry = this.#entries.get(uid);
    if (!entry) {
      const written = JSON.stringify(pod.status ?? {});
      entry = {
        pod,
        status: pod.status ?? {},
        wanted: written,
        written,
        version: 0,
        writing: false,
        failures: 0,
        timerAtMs: 0,
        lost: false,
        waiters: [],
      };
      this.#entries.set(uid, entry);
    }
    const overwritten = entry.wanted === wanted && wasOverwritten(entry, pod);
    if (overwritten) entry.written = '';
    if ((entry.wanted === wanted && !overwritten) || entry.lost) return;
    if (isEnded(entry.status) && !isEnded(status)) return;
    const urgent = signature(entry.status) !== signature(status);
    Object.assign(entry, { pod, status, wanted });
    if (!entry.writing) this.#schedule(entry, urgent && entry.failures === 0 ? 0 : LAZY_MS);
  }

  flush(uid: string, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(uid);
    if (!entry || entry.lost || entry.wanted === entry.written) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      entry.waiters.push(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
      entry.timer?.cancel();
      delete entry.timer;
      void this.#write(entry);
    });
  }

  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    entry?.timer?.cancel();
    this.#entries.delete(uid);
    for (const wake of entry?.waiters ?? []) wake();
  }

  #schedule(entry: Entry, delayMs: number): void {
    const { clock, signal } = this.#options;
    if (signal.aborted) return;
    const at = clock.now() + delayMs;
    if (entry.timer && entry.timerAtMs <= at) return;
    entry.timer?.cancel();
    entry.timerAtMs = at;
    // Also what cannot wait goes with all that is learned in this turn: of most containers that they run, and that they are ready.
    entry.timer = clock.timer(delayMs, () => {
      delete entry.timer;
      void this.#write(entry);
    });
  }

  async #write(entry: Entry): Promise<void> {
    const { pod, status, wanted } = entry;
    // A write that was still waiting when the agent ended must not overtake its successor's.
    if (entry.writing || wanted === entry.written || this.#options.signal.aborted) return;
    entry.writing = true;
    try {
      entry.version = versionOf(await this.#send(pod, status));
      entry.written = wanted;
      entry.failures = 0;
      // A pod that has been forgotten meanwhile must not come back.
      if (this.#entries.get(pod.metadata.uid!) === entry) this.#options.onWritten?.(pod, status);
    } catch (error) {
      this.#failed(entry, error);
      if (isStatus(error, 'NotFound') || (await this.#isAnother(pod, error))) entry.lost = true;
      // It will not be taken later either: the end of the pod must not wait for it.
      else if (isStatus(error, 'Invalid', 'BadRequest')) {
        entry.written = wanted;
        entry.version = Number.POSITIVE_INFINITY;
      }
    }
    entry.writing = false;
    if (entry.lost || entry.wanted === entry.written) {
      for (const wake of entry.waiters.splice(0)) wake();
    } else {
      this.#schedule(entry, entry.failures === 0 ? 0 : retryMs(entry.failures));
    }
  }

  /** Whether a conflict tells that the name belongs to another pod by now; else somebody wrote at the same time. */
  async #isAnother({ metadata }: Pod, conflict: unknown): Promise<boolean> {
    if (!isStatus(conflict, 'Conflict')) return false;
    try {
      const { name, namespace, uid } = metadata;
      return (await this.#options.client.get(PodKind, { name, namespace })).metadata.uid !== uid;
    } catch (error) {
      return isStatus(error, 'NotFound');
    }
  }

  #failed(entry: Entry, error: unknown): void {
    entry.failures++;
    // That the pod is gone is no fault.
    if (isStatus(error, 'NotFound')) return;
    const { name, namespace } = entry.pod.metadata;
    this.#options.log.warn('The status of a pod could not be written', {
      pod: `${namespace}/${name}`,
      error: messageOf(error),
    });
  }

  /**
   * Conditions merge by type, so those of others stay; what a condition no longer says has to be taken out by name. The
   * UID keeps a namesake from getting this status.
   */
  async #send(pod: Pod, status: PodStatus): Promise<Pod> {
    const { name, namespace, uid } = pod.metadata;
    const conditions = status.conditions?.map((one) => ({
      ...one,
      reason: one.reason ?? null,
      message: one.message ?? null,
    }));
    const order = status.conditions?.map(({ type }) => ({ type }));
    const gone = RESIZE_CONDITIONS.filter((type) => !order?.some((one) => one.type === type));
    const merged = conditions && {
      conditions: [...conditions, ...gone.map((type) => ({ type, $patch: 'delete' }))],
      '$setElementOrder/conditions': order,
    };
    const body = { metadata: { uid }, status: { reason: null, message: null, ...status, ...merged } };
    return this.#options.client.patch(PodKind, { name, namespace }, { type: 'strategic', body }, 'status');
  }
}

/**
 * Whether somebody else changed a condition of ours after our write, as the node lifecycle controller does with Ready. The
 * words alone do not tell: taking it back within the same second gives the same status as before.
 */
function wasOverwritten(entry: Entry, pod: Pod): boolean {
  if (entry.writing || entry.wanted !== entry.written || versionOf(pod) <= entry.version) return false;
  return (entry.status.conditions ?? []).some(
    ({ type, status }) => pod.status?.conditions?.find((one) => one.type === type)?.status !== status,
  );
}

function versionOf(pod: Pod): number {
  return Number(pod.metadata.resourceVersion ?? 0);
}

function retryMs(failures: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
}

function isEnded(status: PodStatus): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed';
}

/** What somebody may be waiting for: phase, states, readiness, restarts; not the words or the address. */
function signature(status: PodStatus): string {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const states = containers.map(({ ready, restartCount, state }) => {
    const waiting = state?.waiting?.reason;
    const creating = waiting === 'ContainerCreating' || waiting === 'PodInitializing';
    return [
      ready,
      restartCount,
      Boolean(state?.running),
      Boolean(state?.terminated),
      creating ? undefined : waiting,
    ];
  });
  return JSON.stringify([status.phase ?? 'Pending', states.filter((one) => one.some(Boolean))]);
}
