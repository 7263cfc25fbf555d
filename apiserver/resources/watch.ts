/**
 * WATCH. All watchers of a kind share the bytes of each event; one that reads too slowly is dropped and comes back with
 * the resourceVersion it has. Source: Kubernetes API concepts, "Efficient detection of changes", "Streaming lists".
 */

import { apiVersionOf } from '#api/kind.ts';
import type { Timer } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { encodeWatchFrame, PROTOBUF_WATCH_TYPE } from '#machinery/protobuf/envelope.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { CacheItem } from '../cache/item.ts';
import { withVersion } from '../cache/item.ts';
import type { CacheEvent } from '../cache/ring.ts';
import { CONTENT_TYPES } from '../encoding/negotiate.ts';
import { eventRenderer, jsonFrame, type Renderer, streamsProtobuf } from '../encoding/render.ts';
import { badRequest } from '../engine/faults.ts';
import { turn } from '../turns.ts';
import { versionOf } from './read.ts';
import { rendererOf, type Scope } from './scope.ts';
import { type Selection, selectionOf, selects } from './selection.ts';

/** What may wait for a slow reader before it is dropped. */
const QUEUE_BYTES = 8 * 1024 * 1024;
/** Between bookmarks, and how long a watch lives when nobody says. Source: kube-apiserver's defaults. */
const BOOKMARK_MS = 60_000;
const TIMEOUT_MS = 1_800_000;
/** Items of the first snapshot that are looked at before others get their turn. */
const ITEMS_A_TURN = 500;
/** Bytes that are handed on as one chunk. */
const CHUNK_BYTES = 256 * 1024;

export async function watchResource(scope: Scope): Promise<TransportResponse> {
  const { query } = scope.context.info;
  const { cache } = scope.parts.storage;
  const selection = selectionOf(scope.kind, query);
  const version = versionOf(query);
  const initial = query.get('sendInitialEvents') === 'true';
  if (query.has('sendInitialEvents') && query.get('resourceVersionMatch') !== 'NotOlderThan')
    throw badRequest(
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  if (version) {
    await cache.waitFor(version);
    if (!initial) await cache.recall(cache.of(scope.stored), version);
  } else {
    const waiting = version === undefined ? cache.fresh() : undefined;
    if (waiting) await waiting;
  }
  const renderer = rendererOf(scope);
  const contentType = streamsProtobuf(renderer) ? PROTOBUF_WATCH_TYPE : CONTENT_TYPES.json;
  const stream = new WatchStream(scope, renderer, selection, { version, initial });
  return { status: 200, headers: { 'content-type': contentType }, body: stream.read() };
}

/** Events that are about no object of the cache: errors and bookmarks. */
function specialFrame(renderer: Renderer): (type: string, object: object) => Uint8Array {
  if (!streamsProtobuf(renderer))
    return (type, object) => Buffer.from(`${JSON.stringify({ type, object })}\n`);
  return (type, object) => encodeWatchFrame(type, renderer.formats.toProtobuf(object)!);
}

/** One watcher: events in, frames out. Everything of the present is queued before `read` is first awaited. */
class WatchStream {
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
  readonly #undo: (() => void)[] = [];

  constructor(
    scope: Scope,
    renderer: Renderer,
    selection: Selection,
    from: { version: number | undefined; initial: boolean },
  ) {
    this.#scope = scope;
    this.#selection = selection;
    const { storage } = scope.parts;
    this.#prefix = storage.keys.prefix(scope.stored, scope.namespace);
    this.#render = eventRenderer(renderer);
    this.#special = specialFrame(renderer);
    this.#shared = this.#render === jsonFrame;
    this.#begin(from);
    if (!this.#ended) this.#follow();
  }

  #begin({ version, initial }: { version: number | undefined; initial: boolean }): void {
    const { cache } = this.#scope.parts.storage;
    const resource = cache.of(this.#scope.stored);
    if (initial || !version) {
      this.#initial = resource.under(this.#prefix);
      if (initial) this.#bookmark({ 'k8s.io/initial-events-end': 'true' });
      return;
    }
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
    this.#undo.push(storage.cache.of(stored).onEvent((event) => this.#take(event)));
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
      this.#emit(event.type, event.item, event);
      return;
    }
    const now = event.type !== 'DELETED' && this.#matches(event.item);
    const before = event.previous !== undefined && this.#matches(event.previous);
    if (now) this.#emit(before ? 'MODIFIED' : 'ADDED', event.item, event);
    else if (before)
      this.#emit(
        'DELETED',
        event.type === 'DELETED' ? event.item : withVersion(event.previous!, event.version),
        event,
      );
  }

  #matches(item: CacheItem): boolean {
    return selects(this.#selection, this.#scope.kind, item);
  }

  #emit(type: CacheEvent['type'], item: CacheItem, event: CacheEvent): void {
    const shared = this.#shared && type === event.type && item === event.item;
    if (shared) event.frame ??= jsonFrame(type, item.bytes);
    this.#push(shared && event.frame ? event.frame : { type, item });
  }

  #push(frame: Frame): void {
    this.#queue.push(frame);
    this.#queued += sizeOf(frame);
    if (this.#queued > QUEUE_BYTES && this.#following) this.#end();
    else this.#wake?.();
  }

  /** The time is over: tells the client from where to watch on. */
  #finish(): void {
    if (this.#wantsBookmarks && !this.#ended) this.#bookmark();
    this.#end();
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
      this.#queue = [];
    }
  }

  async *#readInitial(): AsyncGenerator<Uint8Array> {
    const items = this.#initial;
    this.#initial = [];
    let frames: Uint8Array[] = [];
    let size = 0;
    for (let at = 0; at < items.length && !this.#scope.context.signal.aborted; at++) {
      if (at % ITEMS_A_TURN === ITEMS_A_TURN - 1) await turn();
      if (!this.#matches(items[at]!)) continue;
      const frame = this.#render('ADDED', items[at]!.bytes);
      frames.push(frame);
      size += frame.length;
      if (size < CHUNK_BYTES) continue;
      yield Buffer.concat(frames, size);
      frames = [];
      size = 0;
    }
    if (frames.length > 0) yield Buffer.concat(frames, size);
  }

  #chunk(): Uint8Array {
    let size = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || size + sizeOf(this.#queue[count]!) <= CHUNK_BYTES))
      size += sizeOf(this.#queue[count++]!);
    this.#queued = Math.max(0, this.#queued - size);
    const frames = this.#queue.splice(0, count).map((frame) => this.#rendered(frame));
    return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
  }

  #rendered(frame: Frame): Uint8Array {
    return frame instanceof Uint8Array ? frame : this.#render(frame.type, frame.item.bytes);
  }
}

/** Bytes that all watchers share, or an event that this one renders when it is read. */
type Frame = Uint8Array | { type: CacheEvent['type']; item: CacheItem };

function sizeOf(frame: Frame): number {
  return frame instanceof Uint8Array ? frame.length : frame.item.bytes.length;
}
