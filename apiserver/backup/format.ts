/**
 * The backup file, format 1:
 *
 *     "GANTRYBK"  u16 format  frame...
 *     frame = u8 type, u32 length (big endian), payload
 *
 * Frames: one header (JSON), one entry for each key in ascending order (u32 length of the key, key, value), and one end
 * (JSON with the counts and the SHA-256 of every byte before it). A stream that breaks on its way carries a failure
 * (UTF-8 text) in place of its end. The counts stand at the end because a backup is written while it is read.
 */
import type { Revision } from '#store/contract.ts';

export const BACKUP_FORMAT = 1;
export const MAGIC = Buffer.from('GANTRYBK');
export const PREAMBLE_BYTES = MAGIC.length + 2;
export const FRAME_HEAD_BYTES = 5;

/** More than any store takes as one value: a longer length is damage, and nothing is set aside for it. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

export const FRAME = { header: 1, entry: 2, end: 3, failure: 4 } as const;

export interface BackupHeader {
  /** Its name is in the keys. */
  cluster: string;
  /** The store's revision of which this is the snapshot. */
  revision: Revision;
  /** Base of resourceVersions then: base + revision is the newest that the backup knows of. */
  base: number;
  /** Wall time in ms. */
  time: number;
}

export interface BackupEnd {
  entries: number;
  /** Of all keys and values. */
  bytes: number;
  /** Hex, of everything before the end. */
  sha256: string;
}

/** The file is no backup, is damaged or cut short, or was written by a newer version. */
export class BackupFormatError extends Error {
  override readonly name = 'BackupFormatError';
}

export function preamble(): Buffer {
  const format = Buffer.alloc(2);
  format.writeUInt16BE(BACKUP_FORMAT);
  return Buffer.concat([MAGIC, format]);
}

export function frame(type: number, ...payload: Uint8Array[]): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head[0] = type;
  head.writeUInt32BE(
    payload.reduce((sum, part) => sum + part.length, 0),
    1,
  );
  return Buffer.concat([head, ...payload]);
}

export function entryFrame(key: string, value: Uint8Array): Buffer {
  const name = Buffer.from(key);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return frame(FRAME.entry, length, name, value);
}

/** Key and value of an entry's payload; the value is a view of it. Throws BackupFormatError. */
export function decodeEntry(payload: Buffer): { key: string; value: Uint8Array } {
  const length = payload.length < 4 ? Number.POSITIVE_INFINITY : payload.readUInt32BE();
  if (4 + length > payload.length) throw new BackupFormatError('the backup is damaged: an entry has no key');
  return { key: payload.toString('utf8', 4, 4 + length), value: payload.subarray(4 + length) };
}
