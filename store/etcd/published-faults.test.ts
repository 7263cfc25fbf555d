/**
 * Each published class of faults of etcd that reaches a store, by the number of its issue: what such a server sends is
 * noticed, or does no harm. What cannot be noticed stands in docs/operations.md.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { memoryLogger, silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { CompactedError, type Revision, type Store, StoreFailedError, type WatchBatch } from '../contract.ts';
import { openEtcdStore } from './index.ts';
import { KeyLayout } from './key-layout.ts';
import { LiveFeed } from './live.ts';
import { type Message, ScriptedEtcd } from './testing/scripted.ts';
import { EtcdServer, whyNoEtcd } from './testing/server.ts';

const MISSING = whyNoEtcd();
const LAYOUT = new KeyLayout('', '/r/');
const KEY = '/r/a';

/** A put of the one key, which replaces the revision before. */
const put = (revision: Revision) => ({
  revision,
  key: KEY,
  value: `v${revision}`,
  previous: `v${revision - 1}`,
});

let etcd: ScriptedEtcd;
let live: LiveFeed;

afterEach(async () => {
  etcd?.close();
  await live?.close(new Error('closed'));
});

/** Follows an etcd that is at revision 4; `newest` are its answers, the last one for ever. */
function follow(streams: readonly (readonly Message[])[], newest: readonly Revision[]) {
  etcd = new ScriptedEtcd(LAYOUT, streams);
  const answers = [...newest];
  live = new LiveFeed(4, {
    connection: etcd.connection,
    layout: LAYOUT,
    clock: systemClock,
    log: memoryLogger([]),
    newest: async () => (answers.length > 1 ? answers.shift()! : answers[0]!),
    watcherLimitBytes: undefined,
  });
  return live.watch('/r/', 4, AbortSignal.timeout(10_000));
}

/** Reads until `last` has come; the revisions that came. */
async function read(watch: AsyncIterable<WatchBatch>, last: Revision): Promise<Revision[]> {
  const seen: Revision[] = [];
  for await (const { revision } of watch) {
    seen.push(revision);
    if (revision >= last) break;
  }
  return seen;
}

async function endOf(watch: AsyncIterable<WatchBatch>): Promise<unknown> {
  try {
    for await (const _ of watch);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('published faults of etcd', () => {
  test('14370: a single member that lost an acknowledged write in a crash is told from its revision', async () => {
    const end = await endOf(follow([[[put(5)], [put(6)], [put(7)]], []], [4, 6]));
    expect(end).toBeInstanceOf(StoreFailedError);
    expect(String(end)).toContain('went back from revision 7 to 6');
  });

  test('14685: a member whose data differs after a crash while defragmenting is told from the commit', async () => {
    const streams = [
      [[put(5)], [put(6)]],
      // The other member has another commit at revision 6.
      [[{ ...put(6), record: 'a commit of another history' }], [put(7)]],
    ];
    const end = await endOf(follow(streams, [4, 7]));
    expect(end).toBeInstanceOf(StoreFailedError);
    expect(String(end)).toContain('hold different data: revision 6');
  });

  test('14685: members with the same data go on', async () => {
    const watch = follow(
      [
        [[put(5)], [put(6)]],
        [[put(6)], [put(7)]],
      ],
      [4, 7],
    );
    expect(await read(watch, 7)).toEqual([5, 6, 7]);
    expect(etcd.asked).toEqual([4, 6]);
  });

  test('15271: a watch that travels back in time tells nothing twice', async () => {
    const watch = follow([[[put(5)], [put(6)], [put(5)], [put(6), put(7)], [put(8)]]], [4]);
    expect(await read(watch, 8)).toEqual([5, 6, 7, 8]);
  });

  test('17529: events that a starved watch left out are fetched by another watch', async () => {
    const watch = follow(
      [
        [[put(5)], [put(8)]],
        [[put(5)], [put(6)], [put(7)], [put(8)]],
      ],
      [4, 8],
    );
    expect(await read(watch, 8)).toEqual([5, 6, 7, 8]);
  });

  test('17529: events that no watch brings are told as lost, and the next watch goes on after them', async () => {
    const gap: Message[] = [[put(5)], [put(8)]];
    const watch = follow([gap, [[put(8)]], [[put(8)]], [[put(8)]], [[put(8)], [put(9)]]], [4, 8]);
    expect(await endOf(watch)).toBeInstanceOf(CompactedError);
    const again = live.watch('/r/', undefined, AbortSignal.timeout(10_000));
    expect(await read(again, 9)).toEqual([9]);
  });

  test('17780: a revision that goes back after a crash while compacting is not used a second time', async () => {
    const end = await endOf(follow([[[put(5)], [put(6)]], [[put(6)]]], [4, 5]));
    expect(end).toBeInstanceOf(StoreFailedError);
    expect(String(end)).toContain('went back from revision 6 to 5');
  });

  test('20418: a leader that was paused and answers as of its past is asked again', async () => {
    const watch = follow([[[put(5)], [put(6)]], [[put(7)]]], [4, 5, 5, 7]);
    expect(await read(watch, 7)).toEqual([5, 6, 7]);
  });
});

describe.skipIf(MISSING)(`published faults of etcd, on a server${MISSING ? ` (${MISSING})` : ''}`, () => {
  /** A key is put, put again, deleted at the revision that is then compacted, and made anew. */
  async function deletedAndCompacted(use: (store: Store, deleted: Revision) => Promise<void>): Promise<void> {
    const server = await new EtcdServer(['--unsafe-no-fsync']).start();
    const common = { clock: systemClock, random: systemRandom, log: silentLogger };
    const store = await openEtcdStore({ ...common, endpoints: [server.endpoint], root: '/r/' });
    const write = async (value: string | undefined) => {
      const op = value === undefined ? { op: 'delete' as const, key: KEY } : putOp(value);
      const result = await store.commit([op], { time: 1, actor: 'test' });
      return result.ok ? result.revision : -1;
    };
    try {
      for (const value of ['one', 'two', 'three']) await write(value);
      const deleted = await write(undefined);
      await write('made anew');
      // The store's own watch has told all of it: what is compacted before that is lost to it.
      for await (const { revision } of store.watch('/r/', deleted - 1, AbortSignal.timeout(10_000)))
        if (revision > deleted) break;
      await store.compact(deleted);
      await use(store, deleted);
    } finally {
      await store.close();
      await server.remove();
    }
  }
  const putOp = (value: string) => ({ op: 'put' as const, key: KEY, value: Buffer.from(value) });
  const first = async (store: Store, from: Revision) => {
    for await (const batch of store.watch('/r/', from, AbortSignal.timeout(10_000))) return batch;
    return undefined;
  };

  test('18089: a watch that would miss the deletion at the compacted revision is refused', async () => {
    await deletedAndCompacted(async (store, deleted) => {
      await expect(first(store, deleted - 1)).rejects.toThrow(CompactedError);
    });
  });

  test('19179: a watch from the revision of the compaction goes on after its deletion', async () => {
    await deletedAndCompacted(async (store, deleted) => {
      const batch = await first(store, deleted);
      expect(batch).toMatchObject({ revision: deleted + 1, events: [{ type: 'put', previous: undefined }] });
    });
  });
});
