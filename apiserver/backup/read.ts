import { createHash } from 'node:crypto';
import {
  BACKUP_FORMAT,
  type BackupEnd,
  BackupFormatError,
  type BackupHeader,
  decodeEntry,
  FRAME,
  FRAME_HEAD_BYTES,
  MAGIC,
  MAX_FRAME_BYTES,
  PREAMBLE_BYTES,
} from './format.ts';

export type BackupPart =
  | { type: 'header'; header: BackupHeader }
  | { type: 'entry'; key: string; value: Uint8Array }
  | { type: 'end'; end: BackupEnd };

/**
 * The parts of a backup, checked as they come: header, entries in ascending order, end. Only the end tells that all
 * before it was right. Throws BackupFormatError; a stream's own failure as an Error with its words.
 */
export async function* readBackup(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<BackupPart> {
  const order = new PartOrder();
  for await (const { type, payload, sha256 } of frames(chunks)) {
    if (type === FRAME.failure) throw new Error(`the backup failed: ${payload.toString()}`);
    const part = order.next(type, payload, sha256);
    yield part;
  }
  order.finish();
}

/** What may follow what, and whether the counts are right. */
class PartOrder {
  #header: BackupHeader | undefined;
  #end: BackupEnd | undefined;
  #last: Buffer | undefined;
  #entries = 0;
  #bytes = 0;

  next(type: number, payload: Buffer, sha256: string | undefined): BackupPart {
    if (this.#end) throw damaged('something follows its end');
    if ((type === FRAME.header) !== (this.#header === undefined)) throw damaged('its header is not first');
    if (type === FRAME.header) {
      this.#header = json<BackupHeader>(payload);
      return { type: 'header', header: this.#header };
    }
    if (type === FRAME.entry) return this.#entry(payload);
    if (type !== FRAME.end) throw damaged(`it has a part of unknown type ${type}`);
    this.#end = json<BackupEnd>(payload);
    const { entries, bytes } = this.#end;
    if (entries !== this.#entries || bytes !== this.#bytes || this.#end.sha256 !== sha256)
      throw damaged('its checksum is wrong');
    return { type: 'end', end: this.#end };
  }

  #entry(payload: Buffer): BackupPart {
    const { key, value } = decodeEntry(payload);
    const name = Buffer.from(key);
    if (this.#last && Buffer.compare(this.#last, name) >= 0) throw damaged('its keys are out of order');
    this.#last = name;
    this.#entries++;
    this.#bytes += name.length + value.length;
    return { type: 'entry', key, value };
  }

  finish(): void {
    if (!this.#end) throw new BackupFormatError('the backup is cut short: its end is missing');
  }
}

interface Frame {
  type: number;
  payload: Buffer;
  /** Of all before an end, hex; undefined for other frames. */
  sha256: string | undefined;
}

async function* frames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const hash = createHash('sha256');
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    if (!begun && rest.length >= PREAMBLE_BYTES) {
      checkPreamble(rest);
      hash.update(rest.subarray(0, PREAMBLE_BYTES));
      begun = true;
      at = PREAMBLE_BYTES;
    }
    while (begun && rest.length - at >= FRAME_HEAD_BYTES) {
      const type = rest[at]!;
      const length = rest.readUInt32BE(at + 1);
      if (length > MAX_FRAME_BYTES) throw damaged(`a part of it has ${length} bytes`);
      const next = at + FRAME_HEAD_BYTES + length;
      if (next > rest.length) break;
      const sha256 = type === FRAME.end ? hash.copy().digest('hex') : undefined;
      hash.update(rest.subarray(at, next));
      yield { type, payload: rest.subarray(at + FRAME_HEAD_BYTES, next), sha256 };
      at = next;
    }
    rest = rest.subarray(at);
  }
  if (!begun && !MAGIC.subarray(0, rest.length).equals(rest)) throw notABackup();
  if (rest.length > 0 || !begun) throw new BackupFormatError('the backup is cut short');
}

function checkPreamble(bytes: Buffer): void {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw notABackup();
  const format = bytes.readUInt16BE(MAGIC.length);
  if (format > BACKUP_FORMAT)
    throw new BackupFormatError(
      `the backup has format ${format}, this version reads up to ${BACKUP_FORMAT}: use a newer version`,
    );
  if (format !== BACKUP_FORMAT) throw damaged(`there is no format ${format}`);
}

function json<T>(payload: Buffer): T {
  try {
    return JSON.parse(payload.toString()) as T;
  } catch {
    throw damaged('a part of it is no JSON');
  }
}

function damaged(why: string): BackupFormatError {
  return new BackupFormatError(`the backup is damaged: ${why}`);
}

function notABackup(): BackupFormatError {
  return new BackupFormatError('the file is no backup of Gantry');
}
