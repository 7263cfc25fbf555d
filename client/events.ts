/**
 * Tells people what happened, as core/v1 Events. The same happening again raises the count of one Event; an object that
 * talks too much is silenced for a while; the queue is bounded and what does not fit is dropped: events are news, never state.
 */
import { EventKind } from '#api/kinds/event.ts';
import type { ApiObject, Event } from '#api/objects.ts';
import { explain, type Why } from '#api/why.ts';
import { type Clock, orAfter, rfc3339, sleep } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import type { Client } from './contract.ts';

export interface RecorderOptions {
  client: Client;
  clock: Clock;
  /** Who says so: `deployment-controller`, `default-scheduler`, `kubelet`. */
  component: string;
  /** The node, for agents. */
  host?: string;
  /**
   * What is being done when a reason is given. With it the events have the newer form (eventTime, series, action), as
   * those of the Kubernetes scheduler do; people see them before others of the same second.
   */
  action?: (reason: string) => string;
  /** Ends the recorder; what is queued is dropped. */
  signal: AbortSignal;
  onError?: (error: unknown) => void;
}

export interface EventRecorder {
  /** Never waits and never fails. `fieldPath`: `spec.containers{web}` for one container. */
  record(about: ApiObject, type: 'Normal' | 'Warning', why: Why, fieldPath?: string): void;
  /** Resolves once all that was recorded is sent or dropped, at the latest after two seconds. */
  flush(): Promise<void>;
}

const QUEUE_LENGTH = 1000;
/** Events remembered for counting. */
const MEMORY = 4096;
/** Per object: this many at once, then one every REFILL_MS. Source: Kubernetes' event spam filter. */
const BURST = 25;
const REFILL_MS = 5 * 60_000;
const ATTEMPTS = 3;
const RETRY_MS = 500;
/** Who stops does not wait longer for a server that does not answer. */
const FLUSH_MS = 2000;
/** Longer messages are cut. Source: events.k8s.io, note is at most 1 kB. */
const MESSAGE_BYTES = 1024;

export function eventRecorder(options: RecorderOptions): EventRecorder {
  return new Recorder(options);
}

interface Happening {
  about: ApiObject;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  fieldPath: string | undefined;
  at: number;
}

class Recorder implements EventRecorder {
  readonly #options: RecorderOptions;
  readonly #queue: Happening[] = [];
  readonly #sent = new Map<string, Event>();
  readonly #budgets = new Map<string, { left: number; at: number }>();
  #running: Promise<void> | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  record(about: ApiObject, type: 'Normal' | 'Warning', why: Why, fieldPath?: string): void {
    const { clock, signal } = this.#options;
    if (signal.aborted || this.#queue.length >= QUEUE_LENGTH || !this.#mayTell(about)) return;
    const message = beginningOf(explain(why), MESSAGE_BYTES);
    this.#queue.push({ about, type, reason: why.reason, message, fieldPath, at: clock.now() });
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
  }

  async flush(): Promise<void> {
    if (this.#running) await orAfter(this.#options.clock, FLUSH_MS, this.#running);
  }

  #mayTell(about: ApiObject): boolean {
    const now = this.#options.clock.monotonic();
    const key = about.metadata.uid ?? `${about.kind}/${about.metadata.namespace}/${about.metadata.name}`;
    const budget = this.#budgets.get(key) ?? { left: BURST, at: now };
    const refilled = Math.floor((now - budget.at) / REFILL_MS);
    if (refilled > 0) {
      budget.left = Math.min(BURST, budget.left + refilled);
      budget.at += refilled * REFILL_MS;
    }
    remember(this.#budgets, key, budget);
    if (budget.left <= 0) return false;
    budget.left--;
    return true;
  }

  async #drain(): Promise<void> {
    // Yield first: a burst of the same happening is then one write after the first.
    await Promise.resolve();
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      if (this.#options.signal.aborted) return;
      await this.#send(next);
    }
  }

  async #send(happening: Happening): Promise<void> {
    const { clock, signal, onError } = this.#options;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        await this.#write(happening);
        return;
      } catch (error) {
        onError?.(error);
        // A namespace on its way out takes no events; a refused one stays refused.
        if (!isStatus(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests', 'InternalError')) return;
        if (attempt < ATTEMPTS) await sleep(clock, RETRY_MS * attempt, signal).catch(() => undefined);
        if (signal.aborted) return;
      }
    }
  }

  async #write(happening: Happening): Promise<void> {
    const { client } = this.#options;
    const { about, type, reason, message, fieldPath, at } = happening;
    const key = [about.metadata.uid, about.kind, about.metadata.name, fieldPath, type, reason, message].join(
      '\0',
    );
    const known = this.#sent.get(key);
    if (known) {
      const count = (known.series?.count ?? known.count ?? 1) + 1;
      try {
        const body = this.#options.action
          ? { series: { count, lastObservedTime: microTime(at) } }
          : { count, lastTimestamp: rfc3339(at) };
        const updated = await client.patch(EventKind, known.metadata, { type: 'merge', body });
        remember(this.#sent, key, updated);
        return;
      } catch (error) {
        // Its time was over: tell it anew.
        if (!isStatus(error, 'NotFound')) throw error;
        this.#sent.delete(key);
      }
    }
    remember(this.#sent, key, await client.create(EventKind, this.#event(happening)));
  }

  #event({ about, type, reason, message, fieldPath, at }: Happening): Event {
    const { component, host, action } = this.#options;
    const { name, namespace, uid, resourceVersion } = about.metadata;
    const eventNamespace = namespace || 'default';
    const time = rfc3339(at);
    const older = {
      source: { component, ...(host && { host }) },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${this.#suffix(at)}`, namespace: eventNamespace },
      involvedObject: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        name,
        ...(namespace && { namespace }),
        uid,
        resourceVersion,
        ...(fieldPath && { fieldPath }),
      },
      reason,
      message,
      type,
      ...(action ? { eventTime: microTime(at), action: action(reason) } : older),
      reportingComponent: component,
      reportingInstance: host ?? (action ? component : ''),
    };
  }

  /** Nanoseconds in hex as Kubernetes names events; a counter in the last digits keeps those of one moment apart. */
  #suffix(at: number): string {
    this.#serial = (this.#serial + 1) % 1_000_000;
    return (BigInt(at) * 1_000_000n + BigInt(this.#serial)).toString(16);
  }
  #serial = 0;
}

/** As many whole characters as fit. */
function beginningOf(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  // A character that was cut in two has become one that stands for what cannot be read.
  return Buffer.from(text)
    .subarray(0, maxBytes)
    .toString()
    .replace(/\uFFFD$/, '');
}

/** Source: Kubernetes API, MicroTime. */
function microTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z');
}

/** Sets the key as the newest and forgets the oldest beyond MEMORY. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MEMORY) map.delete(map.keys().next().value!);
}
