import { apiVersionOf } from '#api/kind.ts';
import type { Timer } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { type CacheItem, withVersion } from '../cache/item.ts';
import type { CacheEvent } from '../cache/ring.ts';
import { eventRenderer, jsonFrame, jsonFrames, type Renderer } from '../encoding/render.ts';
import type { WatchCount } from '../metrics/requests.ts';
import { turn } from '../turns.ts';
import { candidatesOf, interestOf } from './candidates.ts';
import type { Scope } from './scope.ts';
import { type Selection, selects } from './selection.ts';
import { type Frame, frameOf, rendered, sizeOf, specialFrame } from './watch-frames.ts';

/** What may wait for a slow reader before it is dropped. Most of it is shared by all who watch the same. */
const QUEUE_BYTES = 8 * 1024 * 1024;
/** Between bookmarks, and how long a watch lives when nobody says. Source: kube-apiserver's defaults. */
const BOOKMARK_MS = 60_000;
const TIMEOUT_MS = 1_800_000;
/** How long who reads may take for what is left when the time of a watch is over. */
const LAST_READ_MS = 10_000;
/** Items of the first snapshot that are looked at before others get their turn. */
const ITEMS_A_TURN = 50;
/** Small frames are joined up to this: it is all that a reader who has stopped holds for itself. */
const CHUNK_BYTES = 32 * 1024;

/** Where a watch begins: after `version`, or with all there is. */
export interface WatchStart {
  version: number | undefined;
  initial: boolean;
}

/** One watcher: events in, frames out. Everything of the present is queued before `read` is first awaited. */
export class WatchStream {
  readonly #scope: Scope;
  readonly #selection: Selection;
  readonly #render: (type: string, bytes: Buffer) => Uint8Array;
  readonly #special: (type: string, object: object) => Uint8Array;
  readonly #shared: boolean;
  readonly #prefix: string;
  /** What there was at the start, not yet sent: rendered as it is read. */
  #initial: readonly CacheItem[] = [];
  #queue: Frame[] = [];
  #queued = 0;
  #ended = false;
  #following = false;
  #wake: (() => void) | undefined;
  #bookmarks: Timer | undefined;
  #lastRead: Timer | undefined;
  readonly #sent: WatchCount;
  readonly #cut = new AbortController();
  readonly #undo: (() => void)[] = [];

  constructor(scope: Scope, renderer: Renderer, selection: Selection, from: WatchStart) {
    this.#scope = scope;
    this.#selection = selection;
    const { storage } = scope.parts;
    this.#prefix = storage.keys.prefix(scope.stored, scope.namespace);
    this.#render = eventRenderer(renderer);
    this.#special = specialFrame(renderer);
    this.#shared = this.#render === jsonFrame;
    this.#sent = scope.parts.requests.watchCount(scope.kind);
    this.#begin(from);
    if (!this.#ended) this.#follow();
  }

  /** Aborts when the reader was too slow: it gets no more, also not what it was sent and has not taken. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  #begin({ version, initial }: WatchStart): void {
    const { cache } = this.#scope.parts.storage;
    if (initial || !version) {
      this.#initial = candidatesOf(this.#scope, this.#selection);
      if (initial) this.#bookmark({ 'k8s.io/initial-events-end': 'true' });
      return;
    }
    const resource = cache.of(this.#scope.stored);
    const missed = resource.since(version);
    if (!missed) {
      const gone = new StatusError('Expired', `too old resource version: ${version} (${resource.oldest})`);
      this.#push(this.#special('ERROR', gone.status()));
      this.#end();
      return;
    }
    for (const event of missed) this.#take(event);
  }

  #follow(): void {
    // What was missed may be larger than the queue's limit: only what comes after it counts.
    this.#following = true;
    this.#queued = 0;
    const { parts, context, stored } = this.#scope;
    const { clock, storage, random, stopping } = parts;
    const interest = interestOf(this.#scope, this.#selection);
    this.#undo.push(storage.cache.of(stored).onEvent((event) => this.#take(event), interest));
    const asked = Number(context.info.query.get('timeoutSeconds') ?? 0);
    const timeout = asked > 0 ? asked * 1000 : TIMEOUT_MS * (1 + random.next());
    const timer = clock.timer(timeout, () => this.#finish());
    this.#undo.push(() => timer.cancel());
    if (stopping.aborted || context.signal.aborted) this.#end();
    for (const signal of [stopping, context.signal]) {
      const end = () => this.#end();
      signal.addEventListener('abort', end, { once: true });
      this.#undo.push(() => signal.removeEventListener('abort', end));
    }
    if (this.#wantsBookmarks) this.#scheduleBookmark();
  }

  get #wantsBookmarks(): boolean {
    return this.#scope.context.info.query.get('allowWatchBookmarks') === 'true';
  }

  #scheduleBookmark(): void {
    this.#bookmarks = this.#scope.parts.clock.timer(BOOKMARK_MS, () => {
      if (this.#ended) return;
      this.#bookmark();
      this.#scheduleBookmark();
    });
  }

  #bookmark(annotations?: Record<string, string>): void {
    const { kind, parts } = this.#scope;
    const object = {
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(parts.storage.cache.version),
        creationTimestamp: null,
        annotations,
      },
    };
    this.#push(this.#special('BOOKMARK', object));
  }

  /** With a selector an object that starts to match is ADDED and one that stops is DELETED, in its former state. */
  #take(event: CacheEvent): void {
    if (this.#ended || !event.item.key.startsWith(this.#prefix)) return;
    if (this.#selection.empty) {
      this.#push(frameOf(event.type, event, this.#shared));
      return;
    }
    const now = event.type !== 'DELETED' && this.#matches(event.item);
    const before = event.previous !== undefined && this.#matches(event.previous);
    if (now) this.#push(frameOf(before ? 'MODIFIED' : 'ADDED', event, this.#shared));
    else if (before && event.type === 'DELETED') this.#push(frameOf('DELETED', event, this.#shared));
    else if (before) {
      event.exit ??= withVersion(event.previous!, event.version);
      this.#push({ type: 'DELETED', item: event.exit });
    }
  }

  #matches(item: CacheItem): boolean {
    return selects(this.#selection, this.#scope.kind, item);
  }

  #push(frame: Frame): void {
    this.#queue.push(frame);
    this.#queued += sizeOf(frame);
    if (this.#queued > QUEUE_BYTES && this.#following) this.#drop();
    else this.#wake?.();
  }

  /** Lets go of all that a reader did not take: it may watch on from the version it has. */
  #drop(): void {
    this.#queue = [];
    this.#initial = [];
    this.#end();
    this.#cut.abort();
  }

  /** The time is over: tells the client from where to watch on, if it still reads. */
  #finish(): void {
    if (this.#ended) return;
    if (this.#wantsBookmarks) this.#bookmark();
    this.#end();
    this.#lastRead = this.#scope.parts.clock.timer(LAST_READ_MS, () => this.#drop());
  }

  #end(): void {
    this.#ended = true;
    this.#bookmarks?.cancel();
    for (const undo of this.#undo.splice(0)) undo();
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#readInitial();
      for (;;) {
        while (this.#queue.length > 0) yield this.#chunk();
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      this.#end();
      this.#lastRead?.cancel();
      this.#queue = [];
    }
  }

  async *#readInitial(): AsyncGenerator<Uint8Array> {
    const items = this.#initial;
    const over = () => this.#cut.signal.aborted || this.#scope.context.signal.aborted;
    let chosen: Buffer[] = [];
    let size = 0;
    for (let at = 0; at < items.length && !over(); at++) {
      if (at % ITEMS_A_TURN === ITEMS_A_TURN - 1) await turn();
      if (!this.#matches(items[at]!)) continue;
      chosen.push(items[at]!.bytes);
      size += items[at]!.bytes.length;
      if (size < CHUNK_BYTES) continue;
      yield this.#added(chosen);
      chosen = [];
      size = 0;
    }
    this.#initial = [];
    if (chosen.length > 0 && !over()) yield this.#added(chosen);
  }

  #added(objects: readonly Buffer[]): Uint8Array {
    this.#sent.events += objects.length;
    if (this.#shared) return jsonFrames('ADDED', objects);
    return Buffer.concat(objects.map((bytes) => this.#render('ADDED', bytes)));
  }

  #chunk(): Uint8Array {
    let size = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || size + sizeOf(this.#queue[count]!) <= CHUNK_BYTES))
      size += sizeOf(this.#queue[count++]!);
    this.#queued = Math.max(0, this.#queued - size);
    this.#sent.events += count;
    const frames = this.#queue.splice(0, count).map((frame) => rendered(frame, this.#render));
    return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
  }
}
