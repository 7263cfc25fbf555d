/**
 * A work queue of keys. A key waits at most once, is worked on by one worker at a time, and comes again when it was added
 * meanwhile. Failures come again later and later, with chance in the delay. Memory is bounded by the number of keys.
 */
import type { Clock, Timer } from './clock.ts';
import type { QueueCounts } from './metrics/queue.ts';
import type { Random } from './random.ts';

export interface QueueOptions<K> {
  clock: Clock;
  random: Random;
  /** Keys worked on at the same time. */
  concurrency: number;
  /**
   * Works on one key; a rejection makes it come again later. `free` gives the worker's place to another key before the
   * work is over, for waits that cost nothing; the key itself stays taken until the promise settles.
   */
  work(key: K, free: () => void): Promise<void>;
  /** Told of each failure of `work`, with how many came in a row. */
  onError?(key: K, error: unknown, failures: number): void;
  /** Delay after the first failure, doubled by each further one. Default 5 ms. */
  firstRetryMs?: number;
  /** Default 60 s. */
  maxRetryMs?: number;
  counts?: QueueCounts;
}

const FIRST_RETRY_MS = 5;
const MAX_RETRY_MS = 60_000;

export class WorkQueue<K> {
  readonly #options: QueueOptions<K>;
  /** In order of arrival, with when that was. */
  readonly #waiting = new Map<K, number>();
  readonly #active = new Set<K>();
  /** Added while active: they wait again afterwards. */
  readonly #again = new Set<K>();
  readonly #later = new Map<K, { at: number; timer: Timer }>();
  readonly #failures = new Map<K, number>();
  #idle: (() => void)[] = [];
  #places: number;
  #stopped = false;

  constructor(options: QueueOptions<K>) {
    this.#options = options;
    this.#places = options.concurrency;
  }

  /** Keys that wait now, those with a delay left out. */
  get length(): number {
    return this.#waiting.size;
  }

  add(key: K): void {
    if (this.#stopped) return;
    if (this.#active.has(key)) this.#again.add(key);
    else this.#wait(key);
    this.#pump();
  }

  #wait(key: K): void {
    const { clock, counts } = this.#options;
    if (this.#waiting.has(key)) return;
    this.#waiting.set(key, clock.monotonic());
    if (counts) counts.adds++;
    this.#count();
  }

  #count(): void {
    const { counts } = this.#options;
    if (counts) counts.depth = this.#waiting.size;
  }

  /** Adds the key after `delayMs`, or at the earlier time it was to be added anyway. */
  addAfter(key: K, delayMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    const at = clock.monotonic() + delayMs;
    const known = this.#later.get(key);
    if (known && known.at <= at) return;
    known?.timer.cancel();
    const timer = clock.timer(delayMs, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { at, timer });
  }

  /** Takes nothing more; resolves once the work under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    this.#count();
    this.#again.clear();
    for (const { timer } of this.#later.values()) timer.cancel();
    this.#later.clear();
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    while (this.#places > 0 && this.#waiting.size > 0) {
      const [key, since] = this.#waiting.entries().next().value as [K, number];
      this.#waiting.delete(key);
      this.#count();
      this.#active.add(key);
      this.#places--;
      void this.#run(key, since);
    }
  }

  async #run(key: K, since: number): Promise<void> {
    const end = this.#options.counts?.begin(since);
    let held = true;
    const free = () => {
      if (!held) return;
      held = false;
      this.#places++;
      this.#pump();
    };
    try {
      // Never in the caller's stack: who adds a key does not wait for its work.
      await Promise.resolve();
      await this.#options.work(key, free);
      this.#failures.delete(key);
    } catch (error) {
      this.#fail(key, error);
    } finally {
      end?.();
      this.#active.delete(key);
      if (this.#again.delete(key) && !this.#stopped && !this.#failures.has(key)) this.#wait(key);
      free();
      this.#pump();
      if (this.#active.size === 0) for (const done of this.#idle.splice(0)) done();
    }
  }

  #fail(key: K, error: unknown): void {
    const { random, onError, counts } = this.#options;
    const { firstRetryMs = FIRST_RETRY_MS, maxRetryMs = MAX_RETRY_MS } = this.#options;
    if (counts) counts.retries++;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    onError?.(key, error, failures);
    const full = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 30));
    this.addAfter(key, full * (0.5 + random.next() / 2));
  }
}
