import { encodeWatchFrame } from '#machinery/protobuf/envelope.ts';
import type { CacheItem } from '../cache/item.ts';
import type { CacheEvent } from '../cache/ring.ts';
import { FRAME_END_BYTES, jsonFrame, type Renderer, streamsProtobuf } from '../encoding/render.ts';

/** Bytes that all watchers share, or an event that one of them renders when it is read. */
export type Frame = Uint8Array | { type: CacheEvent['type']; item: CacheItem };

/** An event as a watcher is told of it; `shared`: it takes plain JSON, as most do. */
export function frameOf(type: CacheEvent['type'], event: CacheEvent, shared: boolean): Frame {
  return shared && type === event.type ? sharedFrame(event) : { type, item: event.item };
}

/** From then on the object's bytes are those in the frame, so that they are in memory once. */
function sharedFrame(event: CacheEvent): Buffer {
  if (!event.frame) {
    const { item } = event;
    const end = item.bytes.length + FRAME_END_BYTES;
    // Not from Node's pool, all of which would stay as long as the object.
    event.frame = jsonFrame(event.type, item.bytes, Buffer.allocUnsafeSlow);
    item.bytes = event.frame.subarray(-end, -FRAME_END_BYTES);
  }
  return event.frame;
}

export function rendered(frame: Frame, render: (type: string, bytes: Buffer) => Uint8Array): Uint8Array {
  return frame instanceof Uint8Array ? frame : render(frame.type, frame.item.bytes);
}

export function sizeOf(frame: Frame): number {
  return frame instanceof Uint8Array ? frame.length : frame.item.bytes.length;
}

/** Events that are about no object of the cache: errors and bookmarks. */
export function specialFrame(renderer: Renderer): (type: string, object: object) => Uint8Array {
  if (!streamsProtobuf(renderer))
    return (type, object) => Buffer.from(`${JSON.stringify({ type, object })}\n`);
  return (type, object) => encodeWatchFrame(type, renderer.formats.toProtobuf(object)!);
}
