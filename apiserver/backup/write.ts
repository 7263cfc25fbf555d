import { createHash } from 'node:crypto';
import { messageOf } from '#machinery/errors.ts';
import type { Store } from '#store/contract.ts';
import { readBase } from '../engine/base.ts';
import type { KeySpace } from '../engine/keys.ts';
import { type BackupEnd, type BackupHeader, entryFrame, FRAME, frame, preamble } from './format.ts';
import { refuseHalfRestored } from './marker.ts';

/** Entries that are in memory at a time. */
const PAGE = 100;

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
  let chunks = [preamble(), frame(FRAME.header, Buffer.from(JSON.stringify(header)))];
  for (;;) {
    for (const { key, value } of page.entries) {
      if (key === keys.base) continue;
      chunks.push(entryFrame(key, value));
      end.entries++;
      end.bytes += Buffer.byteLength(key) + value.length;
    }
    const chunk = Buffer.concat(chunks);
    hash.update(chunk);
    yield chunk;
    chunks = [];
    const after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) break;
    page = await store.list(keys.root, { limit: PAGE, after, revision });
  }
  end.sha256 = hash.digest('hex');
  yield frame(FRAME.end, Buffer.from(JSON.stringify(end)));
}

/** The same for a stream whose reader sees nothing but its bytes: a failure is told in its last frame. */
export async function* writeBackupStream(source: BackupSource): AsyncGenerator<Uint8Array> {
  try {
    yield* writeBackup(source);
  } catch (error) {
    yield frame(FRAME.failure, Buffer.from(messageOf(error)));
  }
}
