/** Pods that fitted nowhere: each waits for a change that may help it, at the latest for a minute, and longer each time. */
import type { ObjectKey } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';

export interface WaitingPodsOptions {
  clock: Clock;
  /** Puts the pod back into the queue after a delay. */
  retry(key: ObjectKey, delayMs: number): void;
}

/** Source: Kubernetes, podInitialBackoffSeconds and podMaxBackoffSeconds. */
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 10_000;
/** Even without a change: something the wake-ups do not know may have helped. */
const AT_LATEST_MS = 60_000;

interface Waiting {
  refusals: number;
  since: number;
  hasAffinity: boolean;
  /** Not woken since it was refused last. */
  asleep: boolean;
}

export class WaitingPods {
  readonly #options: WaitingPodsOptions;
  readonly #pods = new Map<ObjectKey, Waiting>();
  #stopped = false;

  constructor(options: WaitingPodsOptions) {
    this.#options = options;
  }

  /** How many wait for a change. */
  get asleep(): number {
    return [...this.#pods.values()].filter(({ asleep }) => asleep).length;
  }

  /** The pod was refused. */
  add(key: ObjectKey, hasAffinity: boolean): void {
    if (this.#stopped) return;
    const refusals = (this.#pods.get(key)?.refusals ?? 0) + 1;
    this.#pods.set(key, { refusals, since: this.#options.clock.monotonic(), hasAffinity, asleep: true });
    this.#options.retry(key, AT_LATEST_MS);
  }

  /** The pod is placed or gone. */
  forget(key: ObjectKey): void {
    this.#pods.delete(key);
  }

  wakeAll(): void {
    for (const [key, pod] of this.#pods) this.#wake(key, pod);
  }

  wakeThoseWithAffinity(): void {
    for (const [key, pod] of this.#pods) if (pod.hasAffinity) this.#wake(key, pod);
  }

  stop(): void {
    this.#stopped = true;
    this.#pods.clear();
  }

  /** Not sooner than its backoff: many changes in a row must not make many attempts. */
  #wake(key: ObjectKey, pod: Waiting): void {
    if (!pod.asleep) return;
    pod.asleep = false;
    const backoff = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(pod.refusals - 1, 10));
    this.#options.retry(key, Math.max(0, pod.since + backoff - this.#options.clock.monotonic()));
  }
}
