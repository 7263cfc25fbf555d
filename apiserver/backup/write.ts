import { createHash, type Hash } from 'node:crypto';
import { messageOf } from '#machinery/errors.ts';
import type { Store } from '#store/contract.ts';
import { readBase } from '../engine/base.ts';
import type { KeySpace } from '../engine/keys.ts';
import { type BackupEnd, type BackupHeader, entryFrame, FRAME, frame, preamble } from './format.ts';
import { refuseHalfRestored } from './marker.ts';

/** Entries that are in memory at a time. */
const PAGE = 100;

/** Joined and hashed in one go: some tenths of a millisecond. */
const CHUNK_BYTES = 256 * 1024;

export interface BackupSource {
  store: Store;
  keys: KeySpace;
  cluster: string;
  /** Wall time in ms. */
  now: number;
}

/**
 * A backup as chunks, page by page, of the revision that is the newest at the first read: whatever was acknowledged
 * before is in it. Values go in as they are stored, so encrypted ones stay encrypted. The base of resourceVersions is in
 * the header, not among the entries. Rejects with CompactedError when history moves on faster than the reader reads.
 */
export async function* writeBackup({ store, keys, cluster, now }: BackupSource): AsyncGenerator<Uint8Array> {
  await refuseHalfRestored(store, keys);
  const { base } = await readBase(store, keys.base);
  const hash = createHash('sha256');
  const end: BackupEnd = { entries: 0, bytes: 0, sha256: '' };
  let page = await store.list(keys.root, { limit: PAGE });
  const { revision } = page;
  const header: BackupHeader = { cluster, revision, base, time: now };
  const chunk = new Chunk();
  chunk.add(preamble());
  chunk.add(frame(FRAME.header, Buffer.from(JSON.stringify(header))));
  for (;;) {
    for (const { key, value } of page.entries) {
      if (key === keys.base) continue;
      chunk.add(entryFrame(key, value));
      end.entries++;
      end.bytes += Buffer.byteLength(key) + value.length;
      if (chunk.bytes >= CHUNK_BYTES) yield chunk.take(hash);
    }
    const after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) break;
    page = await store.list(keys.root, { limit: PAGE, after, revision });
  }
  yield chunk.take(hash);
  end.sha256 = hash.digest('hex');
  yield frame(FRAME.end, Buffer.from(JSON.stringify(end)));
}

/** Frames that are gathered, so that small entries do not travel one by one. */
class Chunk {
  #frames: Buffer[] = [];
  bytes = 0;

  add(one: Buffer): void {
    this.#frames.push(one);
    this.bytes += one.length;
  }

  take(hash: Hash): Buffer {
    const all = Buffer.concat(this.#frames, this.bytes);
    hash.update(all);
    this.#frames = [];
    this.bytes = 0;
    return all;
  }
}

/** The same for a stream whose reader sees nothing but its bytes: a failure is told in its last frame. */
export async function* writeBackupStream(source: BackupSource): AsyncGenerator<Uint8Array> {
  try {
    yield* writeBackup(source);
  } catch (error) {
    yield frame(FRAME.failure, Buffer.from(messageOf(error)));
  }
}
