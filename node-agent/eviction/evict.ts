import type { Pod } from '#api/objects.ts';
import { podRequests } from '#api/semantics/resources.ts';
import type { EventRecorder } from '#client/events.ts';
import { type Clock, every } from '#machinery/clock.ts';
import type { DirectoryUsage } from '#machinery/directory-usage.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { type ContainerStats, type Runtime, RuntimeError } from '#runtime/contract.ts';
import { isRunning } from '../pods/observed.ts';
import type { PodRoster } from '../pods/roster.ts';
import type { PodWorker } from '../pods/worker.ts';
import { nodeNamed } from '../registration/node.ts';
import {
  type Judged,
  judge,
  NO_PRESSURE,
  type PodUse,
  type Pressure,
  type Shortage,
  type Starved,
  victimOf,
} from './plan.ts';
import type { EvictionSettings, Readings } from './thresholds.ts';
import { evictionMessage, isCritical } from './words.ts';

export interface EvictionOptions {
  nodeName: string;
  roster: Pick<PodRoster, 'list'>;
  runtime: Pick<Runtime, 'stats'>;
  /** What the pod's containers, logs and volumes on disk take. Asked only when the disk runs short. */
  diskUse(worker: PodWorker): Promise<DirectoryUsage>;
  /** Frees what nobody needs, before a pod has to go. */
  reclaimDisk(): Promise<void>;
  recorder: Pick<EventRecorder, 'record'>;
  /** The conditions of the node are others now. */
  onChange(): void;
  log: Logger;
  signal: AbortSignal;
}

/** Source: kubelet, how often the eviction manager looks, and how long it waits for a pod to be gone. */
const LOOK_MS = 10_000;
const ENDING_MS = 30_000;
/** What an evicted pod has to end at a hard threshold. Source: kubelet. */
const HARD_GRACE_MS = 1_000;
/** Source: Kubernetes, DefaultTerminationGracePeriodSeconds. */
const POD_GRACE_S = 30;

/**
 * Looks at what the node runs short of, and while it does evicts one pod after the other. The conditions of the node are in `pressure`.
 */
export class EvictionKeeper {
  /** As of the last look. */
  pressure: ReadonlySet<Pressure> = new Set();
  readonly #settings: EvictionSettings;
  readonly #read: () => Promise<Readings>;
  readonly #clock: Clock;
  #state = NO_PRESSURE;
  #evicted: { worker: PodWorker; sinceMs: number } | undefined;

  constructor(settings: EvictionSettings, read: () => Promise<Readings>, clock: Clock) {
    this.#settings = settings;
    this.#read = read;
    this.#clock = clock;
  }

  /** Brings `pressure` up to date. */
  async look(): Promise<Judged> {
    const judged = judge(await this.#read(), this.#settings, this.#state, this.#clock.now());
    this.#state = judged.state;
    this.pressure = judged.pressure;
    return judged;
  }

  /** Goes on until the signal aborts. */
  keep(options: EvictionOptions): void {
    every(this.#clock, LOOK_MS, options.signal, async () => {
      try {
        await this.#relieve(options);
      } catch (error) {
        if (options.signal.aborted) return;
        options.log.warn('What the node runs short of could not be seen to', { error: messageOf(error) });
      }
    });
  }

  async #relieve(options: EvictionOptions): Promise<void> {
    const before = [...this.pressure].join();
    let { shortages } = await this.look();
    if (before !== [...this.pressure].join()) options.onChange();
    if (shortages.length === 0) return;
    this.#say(shortages[0]!, options);
    if (shortages.some(({ starved }) => starved === 'ephemeral-storage' || starved === 'inodes')) {
      await options.reclaimDisk();
      ({ shortages } = await this.look());
    }
    const [shortage] = shortages;
    if (shortage && !this.#isEnding()) await this.#evict(shortage, options);
  }

  #say({ starved, signal }: Shortage, { recorder, nodeName, log }: EvictionOptions): void {
    const message = `Attempting to reclaim ${starved}`;
    log.warn('The node runs short', { signal });
    recorder.record(nodeNamed(nodeName), 'Warning', { reason: 'EvictionThresholdMet', message });
  }

  /** The pod before is waited for: what it gives back may be enough. */
  #isEnding(): boolean {
    if (!this.#evicted) return false;
    const { worker, sinceMs } = this.#evicted;
    return worker.allocated() !== undefined && this.#clock.now() - sinceMs < ENDING_MS;
  }

  async #evict(shortage: Shortage, options: EvictionOptions): Promise<void> {
    const { roster, recorder, log } = options;
    const running = roster
      .list()
      .filter((worker) => worker.allocated() && !worker.pod().metadata.deletionTimestamp);
    const uses = await Promise.all(running.map((worker) => useOf(worker, shortage.starved, options)));
    const victim = victimOf(shortage.starved, uses);
    if (!victim) {
      log.warn('The node runs short, and there is no pod to evict', { signal: shortage.signal });
      return;
    }
    const { worker } = victim;
    const pod = worker.pod();
    const message = evictionMessage(shortage, pod, await containerUse(worker, shortage.starved, options));
    const { name, namespace } = pod.metadata;
    log.warn('A pod is evicted', { pod: `${namespace}/${name}`, signal: shortage.signal });
    recorder.record(pod, 'Warning', { reason: 'Evicted', message });
    this.#evicted = { worker, sinceMs: this.#clock.now() };
    const disruptedMs = shortage.soft ? this.#softGraceMs(pod) : HARD_GRACE_MS;
    worker.end({ phase: 'Failed', reason: 'Evicted', message, disruptedMs });
  }

  #softGraceMs({ spec }: Pod): number {
    const own = (spec?.terminationGracePeriodSeconds ?? POD_GRACE_S) * 1_000;
    return Math.min(own, this.#settings.maxPodGraceMs ?? own);
  }
}

async function useOf(
  worker: PodWorker,
  starved: Starved,
  { runtime, diskUse }: EvictionOptions,
): Promise<PodUse & { worker: PodWorker }> {
  const pod = worker.pod();
  const usage: PodUse['usage'] = {};
  if (starved === 'memory' || starved === 'pids') {
    const stats = await ifThere(runtime.stats(worker.uid));
    if (stats) Object.assign(usage, { memory: stats.memoryWorkingSetBytes, pids: stats.pids });
  } else {
    const { bytes, inodes } = await diskUse(worker);
    Object.assign(usage, { 'ephemeral-storage': bytes, inodes });
  }
  return {
    worker,
    uid: worker.uid,
    priority: pod.spec?.priority ?? 0,
    critical: isCritical(pod),
    usage,
    requests: podRequests(pod.spec!),
  };
}

/** Memory by container; of the rest only what the whole pod uses is known. */
async function containerUse(
  worker: PodWorker,
  starved: Starved,
  { runtime }: EvictionOptions,
): Promise<Map<string, number>> {
  const used = new Map<string, number>();
  if (starved !== 'memory') return used;
  for (const [name, container] of worker.observed().containers) {
    const stats = isRunning(container) && (await ifThere(runtime.stats(worker.uid, container.run!.id)));
    if (stats) used.set(name, stats.memoryWorkingSetBytes);
  }
  return used;
}

/** What ends meanwhile has no use. */
async function ifThere(stats: Promise<ContainerStats>): Promise<ContainerStats | undefined> {
  return await stats.catch((error) => {
    if (error instanceof RuntimeError && error.code === 'NotFound') return undefined;
    throw error;
  });
}
