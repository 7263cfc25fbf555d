/** Answers from bytes: plain JSON is copied, never parsed; the other shapes and formats are made on demand. */
import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { encodeWatchFrame } from '#machinery/protobuf/envelope.ts';
import type { Body } from '#machinery/transport.ts';
import { mapInTurns } from '../turns.ts';
import type { Formats } from './formats.ts';
import { takeBuffer } from './list-buffers.ts';
import { CONTENT_TYPES, type Rendering } from './negotiate.ts';
import { type ListMeta, partialOf, type TableOptions, tableOf } from './table.ts';

export interface Rendered {
  contentType: string;
  body: Body;
  /** Makes the body's bytes free for another list, once they are sent. */
  release?: () => void;
}

export interface Renderer {
  kind: Kind;
  rendering: Rendering;
  table: TableOptions;
  formats: Formats;
}

/** A list beyond this is sent in parts, so that no other request waits for one big copy. */
const STREAM_BYTES = 4 * 1024 * 1024;
const PART_BYTES = 512 * 1024;
/** Lists beyond this are joined in buffers that are used again. */
const SHARED_BYTES = 128 * 1024;
/** Objects parsed before others get their turn. */
const OBJECTS_A_TURN = 250;

/** The object of a stored value as the asked kind shows it. */
export function viewOf(kind: Kind, bytes: Uint8Array): ApiObject {
  const object = JSON.parse(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(),
  ) as ApiObject;
  return kind.storedAs ? kind.storedAs.fromStored(object) : object;
}

/** Whether stored bytes can be sent as they are. */
function verbatim({ kind, rendering }: Renderer): boolean {
  return rendering.format === 'json' && rendering.shape === 'object' && !rendering.pretty && !kind.storedAs;
}

export function renderObject(renderer: Renderer, bytes: Buffer): Rendered {
  if (verbatim(renderer)) return { contentType: CONTENT_TYPES.json, body: bytes };
  return renderValue(shaped(renderer, viewOf(renderer.kind, bytes)), renderer.rendering, renderer.formats);
}

function shaped({ kind, rendering, table }: Renderer, object: ApiObject): object {
  if (rendering.shape === 'partial') return partialOf(object, rendering.metaVersion);
  if (rendering.shape === 'object') return object;
  const { resourceVersion } = object.metadata;
  return tableOf(kind, [object], { resourceVersion }, table);
}

/** Any object in the asked format; JSON when it has no protobuf form. */
export function renderValue(value: object, rendering: Rendering, formats: Formats): Rendered {
  if (rendering.format === 'protobuf') {
    const bytes = formats.toProtobuf(value);
    if (bytes) return { contentType: CONTENT_TYPES.protobuf, body: bytes };
  }
  if (rendering.format === 'yaml')
    return { contentType: CONTENT_TYPES.yaml, body: Buffer.from(formats.toYaml(value)) };
  const text = rendering.pretty ? `${JSON.stringify(value, null, 2)}\n` : JSON.stringify(value);
  return { contentType: CONTENT_TYPES.json, body: Buffer.from(text) };
}

export async function renderList(renderer: Renderer, items: Buffer[], meta: ListMeta): Promise<Rendered> {
  const { kind, rendering, formats, table } = renderer;
  if (verbatim(renderer)) {
    const head = JSON.stringify({ kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata: meta });
    return { contentType: CONTENT_TYPES.json, ...joined(head, items) };
  }
  const objects = await mapInTurns(items, (bytes) => viewOf(kind, bytes), OBJECTS_A_TURN);
  if (rendering.shape === 'table')
    return renderValue(tableOf(kind, objects, meta, table), rendering, formats);
  const partial = rendering.shape === 'partial';
  const list = {
    kind: partial ? 'PartialObjectMetadataList' : `${kind.kind}List`,
    apiVersion: partial ? `meta.k8s.io/${rendering.metaVersion}` : apiVersionOf(kind),
    metadata: meta,
    items: partial ? objects.map((object) => partialOf(object, rendering.metaVersion)) : objects,
  };
  return renderValue(list, rendering, formats);
}

const COMMA = Buffer.from(',');
const END = Buffer.from(']}\n');

function joined(head: string, items: Buffer[]): Pick<Rendered, 'body' | 'release'> {
  const start = Buffer.from(`${head.slice(0, -1)},"items":[`);
  let size = start.length + END.length + items.length;
  for (const item of items) size += item.length;
  if (size > STREAM_BYTES) return { body: parts(start, items) };
  const { bytes: out, giveBack } = spaceFor(size);
  let at = start.copy(out, 0);
  for (let i = 0; i < items.length; i++) {
    if (i > 0) out[at++] = 0x2c;
    at += items[i]!.copy(out, at);
  }
  at += END.copy(out, at);
  return { body: out.subarray(0, at), ...(giveBack && { release: giveBack }) };
}

function spaceFor(size: number): { bytes: Buffer; giveBack?: () => void } {
  return size < SHARED_BYTES ? { bytes: Buffer.allocUnsafe(size) } : takeBuffer(size);
}

async function* parts(start: Buffer, items: Buffer[]): AsyncGenerator<Uint8Array> {
  let part: Buffer[] = [start];
  let size = start.length;
  for (let i = 0; i < items.length; i++) {
    if (i > 0) part.push(COMMA);
    part.push(items[i]!);
    size += items[i]!.length + 1;
    if (size < PART_BYTES) continue;
    yield Buffer.concat(part);
    part = [];
    size = 0;
  }
  part.push(END);
  yield Buffer.concat(part);
}

/** Whether a watch is answered in protobuf: only plain objects of types that have that form. */
export function streamsProtobuf({ kind, rendering, formats }: Renderer): boolean {
  if (rendering.format !== 'protobuf' || rendering.shape !== 'object') return false;
  return formats.toProtobuf({ apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: {} }) !== undefined;
}

/** Gives each watch event in the asked shape. The first table of a watch carries the columns. */
export function eventRenderer(renderer: Renderer): (type: string, bytes: Buffer) => Uint8Array {
  const { rendering, kind, table, formats } = renderer;
  if (verbatim(renderer)) return jsonFrame;
  if (streamsProtobuf(renderer))
    return (type, bytes) =>
      encodeWatchFrame(type, formats.toProtobuf(shaped(renderer, viewOf(kind, bytes)))!);
  let first = true;
  return (type, bytes) => {
    const object = viewOf(kind, bytes);
    if (rendering.shape !== 'table')
      return Buffer.from(`${JSON.stringify({ type, object: shaped(renderer, object) })}\n`);
    const { resourceVersion } = object.metadata;
    const frame = { type, object: tableOf(kind, [object], { resourceVersion }, table, first) };
    first = false;
    return Buffer.from(`${JSON.stringify(frame)}\n`);
  };
}

const FRAME_END = Buffer.from('}\n');
/** What follows the object in a frame of plain JSON. */
export const FRAME_END_BYTES = FRAME_END.length;

/** `{"type":"ADDED","object":...}` and a line end, from bytes. */
export function jsonFrame(type: string, bytes: Buffer, allocate = Buffer.allocUnsafe): Buffer {
  return jsonFrames(type, [bytes], allocate);
}

/** A frame for each object, as one piece. */
export function jsonFrames(type: string, objects: readonly Buffer[], allocate = Buffer.allocUnsafe): Buffer {
  const start = Buffer.from(`{"type":"${type}","object":`);
  let size = objects.length * (start.length + FRAME_END.length);
  for (const bytes of objects) size += bytes.length;
  const frames = allocate(size);
  let at = 0;
  for (const bytes of objects) {
    at += start.copy(frames, at);
    at += bytes.copy(frames, at);
    at += FRAME_END.copy(frames, at);
  }
  return frames;
}
