import type { IEvent, IKeyValue } from 'etcd3';
import {
  CompactedError,
  type Entry,
  type Revision,
  type StoreEvent,
  StoreFailedError,
  type WatchBatch,
} from '../contract.ts';
import type { Connection, WatchStream } from './connection.ts';
import { EtcdUnavailableError } from './errors.ts';
import type { KeyLayout } from './key-layout.ts';

/** A commit as it came; `record` is what it wrote to the record of commits. */
export interface RawBatch extends WatchBatch {
  record: Buffer | undefined;
}

/** etcd's way to write "all keys". */
const ALL = Buffer.from([0]);

/**
 * Every revision of the whole etcd after `from`, in order and whole, over one connection. It watches all keys, also
 * those of others: only then is each revision seen, and a missing one is a fault and not a foreign write.
 *
 * `again` is told what etcd says of `from` itself, which was seen before.
 *
 * Ends when `signal` aborts. Fails with CompactedError (also when a previous value was compacted before it could be
 * sent), with RevisionGapError, or with EtcdUnavailableError when the connection breaks.
 */
export async function* watchRevisions(
  connection: Connection,
  layout: KeyLayout,
  from: Revision,
  signal: AbortSignal,
  again: (batch: RawBatch) => void = () => {},
): AsyncIterable<RawBatch> {
  const stream = await connection.watchStream();
  const abort = () => shut(stream);
  // Without a listener of its own an error would end the process; reading reports it.
  stream.on('error', () => undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) return;
    // From `from` itself, whose events are not passed on: etcd then says if it was compacted, even when only the
    // deletion at the compacted revision is gone (etcd issue 18089).
    const start_revision = Math.max(from, 1);
    stream.write({
      create_request: { key: ALL, range_end: ALL, start_revision, prev_kv: true, fragment: true },
    });
    yield* read(stream, layout, from, again);
    throw new EtcdUnavailableError('etcd ended a watch');
  } catch (error) {
    if (signal.aborted) return;
    if (
      error instanceof CompactedError ||
      error instanceof RevisionGapError ||
      error instanceof StoreFailedError
    )
      throw error;
    throw connection.unavailable(error);
  } finally {
    signal.removeEventListener('abort', abort);
    shut(stream);
  }
}

/** etcd left out a revision: its events are lost, unless watching again brings them. */
export class RevisionGapError extends Error {
  override readonly name = 'RevisionGapError';
  readonly missing: Revision;
  readonly next: Revision;
  constructor(missing: Revision, next: Revision) {
    super(`etcd sent revision ${next} without revision ${missing}`);
    this.missing = missing;
    this.next = next;
  }
}

async function* read(
  stream: WatchStream,
  layout: KeyLayout,
  from: Revision,
  again: (batch: RawBatch) => void,
): AsyncIterable<RawBatch> {
  let last = Math.max(from, 1);
  /** The revision that is coming in, when a response was cut within it. */
  let open: IEvent[] = [];
  /** What etcd says of `from`; told once it is whole. */
  let first: IEvent[] = [];
  for await (const response of stream) {
    if (response.compact_revision !== '0') throw new CompactedError(Number(response.compact_revision));
    if (response.canceled) throw new Error(`etcd refused the watch: ${response.cancel_reason}`);
    for (const event of response.events) {
      const revision = Number(event.kv.mod_revision);
      if (revision === from && last === from) first.push(event);
      // What was told before and comes once more (etcd issue 15271).
      if (revision <= last) continue;
      if (open.length > 0 && Number(open[0]!.kv.mod_revision) !== revision) {
        yield finish(open);
        open = [];
      }
      open.push(event);
    }
    if (response.fragment) continue;
    if (first.length > 0) again(toBatch(from, first, layout, false));
    first = [];
    if (open.length > 0) {
      yield finish(open);
      open = [];
    }
  }

  function finish(events: IEvent[]): RawBatch {
    const revision = Number(events[0]!.kv.mod_revision);
    if (revision !== last + 1) throw new RevisionGapError(last + 1, revision);
    last = revision;
    return toBatch(revision, events, layout, true);
  }
}

function toBatch(
  revision: Revision,
  raw: readonly IEvent[],
  layout: KeyLayout,
  wantPrevious: boolean,
): RawBatch {
  const events: StoreEvent[] = [];
  let record: Buffer | undefined;
  for (const { type, kv, prev_kv } of raw) {
    const key = layout.fromEtcd(kv.key);
    if (key === undefined) {
      if (kv.key.equals(layout.record)) record = kv.value;
      continue;
    }
    const previous = prev_kv ? toEntry(key, prev_kv) : undefined;
    // A watch that lags behind a compaction gets events without their previous values.
    if (!previous && wantPrevious && (type === 'Delete' || kv.version !== '1'))
      throw new CompactedError(revision);
    if (type === 'Put') events.push({ type: 'put', entry: toEntry(key, kv), previous });
    else events.push({ type: 'delete', key, revision, previous: previous! });
  }
  return { revision, events, record };
}

export function toEntry(key: string, kv: IKeyValue): Entry {
  return {
    key,
    value: kv.value,
    revision: Number(kv.mod_revision),
    createRevision: Number(kv.create_revision),
  };
}

/** Ended before it is cancelled: etcd3 takes a cancelled stream that is still writable for a broken connection. */
function shut(stream: WatchStream): void {
  stream.end();
  stream.cancel();
}
