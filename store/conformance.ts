import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { VirtualClock } from '#machinery/clock-virtual.ts';
import { InvalidCommitError, MAX_OPS } from './commit.ts';
import {
  type CommitInfo,
  CompactedError,
  FutureRevisionError,
  type Op,
  type Revision,
  SlowWatcherError,
  type Store,
  type WatchBatch,
} from './contract.ts';

/**
 * How a suite makes the store under test. `clock` drives its leases: a virtual one, or one that waits where the store
 * keeps real time; then `leaseMs` (1,000 when left out) is what its leases can be told apart by.
 */
export interface StoreSetup {
  open(): Promise<{
    store: Store;
    clock: Pick<VirtualClock, 'advance'>;
    watcherLimitBytes: number;
    leaseMs?: number;
  }>;
  cleanup(): Promise<void>;
}

const INFO: CommitInfo = { time: 1_000, actor: 'test' };
const bytes = (text: string) => Buffer.from(text);
const put = (key: string, text: string, expect?: Revision): Op => ({
  op: 'put',
  key,
  value: bytes(text),
  expect,
});

/** The cases every store passes; `missing` says why they cannot run here. */
export function storeConformance(name: string, setup: StoreSetup, missing?: string): void {
  describe.skipIf(missing)(`store: ${name}${missing ? ` (${missing})` : ''}`, () => {
    let store: Store;
    let clock: Pick<VirtualClock, 'advance'>;
    let watcherLimitBytes: number;
    let leaseMs: number;
    const abort: AbortController[] = [];

    beforeEach(async () => {
      ({ store, clock, watcherLimitBytes, leaseMs = 1_000 } = await setup.open());
    });
    afterEach(async () => {
      for (const controller of abort.splice(0)) controller.abort();
      await store.close();
      await setup.cleanup();
    });

    const write = async (...ops: Op[]): Promise<Revision> => {
      const result = await store.commit(ops, INFO);
      if (!result.ok) throw new Error(`conflict at ${result.key}`);
      return result.revision;
    };
    const text = async (key: string, revision?: Revision) => {
      const entry = await store.get(key, revision);
      return entry && Buffer.from(entry.value).toString();
    };
    const watch = (prefix: string, from?: Revision) => {
      const controller = new AbortController();
      abort.push(controller);
      return store.watch(prefix, from, controller.signal)[Symbol.asyncIterator]();
    };

    test('a revision counts commits, not operations', async () => {
      const first = await write(put('/a', '1'), put('/b', '2'));
      expect(await write(put('/a', '3'))).toBe(first + 1);
      expect(await store.revision()).toBe(first + 1);
    });

    test('what was put is read back with its revisions', async () => {
      const first = await write(put('/a', 'one'));
      const second = await write(put('/a', 'two'));
      const entry = await store.get('/a');
      expect(entry).toMatchObject({ key: '/a', revision: second, createRevision: first });
      expect(await text('/a')).toBe('two');
      expect(await text('/a', first)).toBe('one');
      expect(await store.get('/missing')).toBeUndefined();
    });

    test('a failed expectation changes nothing and says what is there', async () => {
      const first = await write(put('/a', 'one'));
      const result = await store.commit([put('/b', 'new'), put('/a', 'two', first - 1)], INFO);
      expect(result).toMatchObject({ ok: false, key: '/a', actual: { revision: first } });
      expect(await text('/a')).toBe('one');
      expect(await store.get('/b')).toBeUndefined();
      expect(await store.revision()).toBe(first);
    });

    test('expect 0 means that the key must not exist', async () => {
      await write(put('/a', 'one', 0));
      expect(await store.commit([put('/a', 'two', 0)], INFO)).toMatchObject({ ok: false, key: '/a' });
      expect(await store.commit([{ op: 'check', key: '/b', expect: 0 }], INFO)).toMatchObject({ ok: true });
    });

    test('a key that was deleted and made again has a new createRevision', async () => {
      await write(put('/a', 'one'));
      const deleted = await write({ op: 'delete', key: '/a' });
      const again = await write(put('/a', 'two', 0));
      expect(await store.get('/a')).toMatchObject({ createRevision: again, revision: again });
      expect(await store.get('/a', deleted)).toBeUndefined();
    });

    test('deleting what is not there takes no revision', async () => {
      const before = await write(put('/a', 'one'));
      expect(await write({ op: 'delete', key: '/missing' })).toBe(before);
      expect(await store.revision()).toBe(before);
    });

    test.each<[string, Op[]]>([
      ['no operation', []],
      ['an empty key', [put('', 'x')]],
      ['a key changed twice', [put('/a', 'x'), { op: 'delete', key: '/a' }]],
      ['too many operations', Array.from({ length: MAX_OPS + 1 }, (_, i) => put(`/${i}`, 'x'))],
    ])('a commit with %s is refused', async (_, ops) => {
      await expect(store.commit(ops, INFO)).rejects.toThrow(InvalidCommitError);
    });

    test('a list is in order of bytes, by prefix, limited, and goes on after a key', async () => {
      await write(put('/p/b', '2'), put('/p/a', '1'), put('/q', 'x'), put('/p/é', '4'), put('/p/Z', '0'));
      const all = await store.list('/p/');
      expect(all.entries.map((entry) => entry.key)).toEqual(['/p/Z', '/p/a', '/p/b', '/p/é']);
      const page = await store.list('/p/', { limit: 2 });
      expect(page).toMatchObject({ more: true });
      const rest = await store.list('/p/', {
        limit: 2,
        after: page.entries[1]!.key,
        revision: page.revision,
      });
      expect(rest.entries.map((entry) => entry.key)).toEqual(['/p/b', '/p/é']);
      expect(rest.more).toBe(false);
    });

    test('a list at a revision is a snapshot', async () => {
      const then = await write(put('/p/a', 'old'), put('/p/b', 'gone later'));
      await write(put('/p/a', 'new'), put('/p/c', 'later'), { op: 'delete', key: '/p/b' });
      const past = await store.list('/p/', { revision: then });
      expect(past.entries.map((entry) => Buffer.from(entry.value).toString())).toEqual(['old', 'gone later']);
      expect(past.revision).toBe(then);
    });

    test('the future cannot be read', async () => {
      const now = await write(put('/a', '1'));
      await expect(store.get('/a', now + 1)).rejects.toThrow(FutureRevisionError);
      await expect(store.list('/', { revision: now + 1 })).rejects.toThrow(FutureRevisionError);
    });

    test('concurrent writers that expect the same revision: exactly one wins', async () => {
      const first = await write(put('/a', '0'));
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.commit([put('/a', `${i}`, first)], INFO)),
      );
      expect(results.filter((result) => result.ok)).toHaveLength(1);
      expect(await store.revision()).toBe(first + 1);
    });

    test('a watch delivers what happened before it, then what happens, each commit whole', async () => {
      const start = await store.revision();
      const first = await write(put('/p/a', '1'), put('/p/b', '1'), put('/q', 'other'));
      const events = watch('/p/', start);
      const second = await write({ op: 'delete', key: '/p/a' });
      const past = await next(events);
      expect(past.revision).toBe(first);
      expect(past.events.map((event) => event.type)).toEqual(['put', 'put']);
      const live = await next(events);
      expect(live.revision).toBe(second);
      expect(live.events[0]).toMatchObject({ type: 'delete', key: '/p/a', previous: { revision: first } });
    });

    test('events carry the previous value', async () => {
      const events = watch('/', await store.revision());
      await write(put('/a', 'one'));
      await write(put('/a', 'two'));
      expect((await next(events)).events[0]).toMatchObject({ type: 'put', previous: undefined });
      const [event] = (await next(events)).events;
      expect(Buffer.from(event!.previous!.value).toString()).toBe('one');
    });

    test('a watch without a start begins now', async () => {
      await write(put('/a', 'before'));
      const events = watch('/');
      const after = await write(put('/a', 'after'));
      expect((await next(events)).revision).toBe(after);
    });

    test('a watcher of another prefix learns how far it has seen', async () => {
      const events = watch('/other/', await store.revision());
      const revision = await write(put('/a', '1'));
      expect(await next(events)).toEqual({ revision, events: [] });
    });

    test('many writers: a watcher sees every revision once, in order', async () => {
      const start = await store.revision();
      const events = watch('/', start);
      await Promise.all(Array.from({ length: 200 }, (_, i) => write(put(`/k${i % 17}`, `${i}`))));
      const seen: Revision[] = [];
      while (seen.length < 200) seen.push((await next(events)).revision);
      expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => start + 1 + i));
    });

    test('a watch from the past crosses into the present without gap or repetition', async () => {
      const start = await store.revision();
      for (let i = 0; i < 1_200; i++) await write(put('/a', `${i}`));
      const events = watch('/', start);
      const more = Promise.all(Array.from({ length: 50 }, (_, i) => write(put('/b', `${i}`))));
      const seen: Revision[] = [];
      while (seen.length < 1_250) seen.push((await next(events)).revision);
      await more;
      expect(seen).toEqual(Array.from({ length: 1_250 }, (_, i) => start + 1 + i));
    });

    test('an aborted watch ends', async () => {
      const controller = new AbortController();
      const events = store.watch('/', undefined, controller.signal)[Symbol.asyncIterator]();
      const pending = events.next();
      controller.abort();
      expect((await pending).done).toBe(true);
    });

    test('a watch from the future is refused', async () => {
      await expect(watch('/', (await store.revision()) + 5).next()).rejects.toThrow(FutureRevisionError);
    });

    test('a watcher that does not read is dropped, the others are not', async () => {
      const slow = watch('/');
      const quick = watch('/');
      const chunk = 'x'.repeat(Math.ceil(watcherLimitBytes / 4));
      for (let i = 0; i < 6; i++) {
        await write(put(`/a${i}`, chunk));
        expect((await next(quick)).events).toHaveLength(1);
      }
      await expect(drain(slow)).rejects.toThrow(SlowWatcherError);
    });

    test('compaction forgets the past and keeps the present', async () => {
      const first = await write(put('/a', 'one'), put('/keep', 'old but newest'), put('/gone', 'x'));
      await write({ op: 'delete', key: '/gone' });
      const third = await write(put('/a', 'two'));
      await write(put('/a', 'three'));
      await store.compact(third);
      await expect(store.get('/a', first)).rejects.toThrow(CompactedError);
      await expect(store.list('/', { revision: first })).rejects.toThrow(CompactedError);
      await expect(watch('/', first).next()).rejects.toThrow(CompactedError);
      expect(await text('/a', third)).toBe('two');
      expect(await text('/a')).toBe('three');
      expect(await text('/keep', third)).toBe('old but newest');
      expect(await store.get('/gone', third)).toBeUndefined();
      expect((await next(watch('/', third))).revision).toBe(third + 1);
      await expect(store.compact(third + 100)).rejects.toThrow(FutureRevisionError);
    });

    test('compaction of a part forgets at most that part', async () => {
      const first = await write(put('/part/a', 'one'), put('/part/gone', 'x'), put('/rest/a', 'one'));
      await write({ op: 'delete', key: '/part/gone' });
      const third = await write(put('/part/a', 'two'), put('/rest/a', 'two'));
      const newest = await write(put('/rest/b', 'new'));
      await store.compact(third, '/part/');
      expect(await text('/part/a')).toBe('two');
      expect(await store.get('/part/gone')).toBeUndefined();
      // The rest is all there.
      expect(await text('/rest/a', first)).toBe('one');
      expect((await store.list('/rest/', { revision: first })).entries).toHaveLength(1);
      const events = watch('/rest/', first);
      const seen: string[] = [];
      for (let revision = first; revision < newest; ) {
        const batch = await next(events);
        revision = batch.revision;
        for (const event of batch.events) if (event.type === 'put') seen.push(event.entry.key);
      }
      expect(seen).toEqual(['/rest/a', '/rest/b']);
      // Of the part all is there, or it is said that it is not.
      for (const read of [
        () => text('/part/a', first),
        async () => (await store.list('/', { revision: first })).entries.length,
        async () => (await next(watch('/', first))).events.length,
      ]) {
        const found = await read().catch((error: unknown) => error);
        if (!(found instanceof CompactedError)) expect(['one', 3, 1]).toContain(found);
      }
      expect((await next(watch('/', third))).revision).toBe(newest);
    });

    test('history is told by its bytes, or not at all', async () => {
      const start = await write(put('/a', 'x'.repeat(1_000)));
      for (let i = 0; i < 4; i++) await write(put('/a', 'x'.repeat(1_000)));
      const revision = await store.revisionKeeping(2_500);
      if (revision === undefined) return;
      expect(revision).toBe(start + 2);
      expect(await store.revisionKeeping(1_000_000)).toBeLessThanOrEqual(start);
      await store.compact(revision);
      expect(await store.revisionKeeping(2_500)).toBe(revision);
      expect(await store.revisionKeeping(1_500)).toBe(revision + 1);
    });

    test('a watch that does without what was replaced sees all the rest', async () => {
      const controller = new AbortController();
      abort.push(controller);
      const start = await write(put('/a', 'one'));
      const events = store.watch('/', start, controller.signal, { previous: false })[Symbol.asyncIterator]();
      const second = await write(put('/a', 'two'));
      const third = await write({ op: 'delete', key: '/a' });
      expect(await next(events)).toMatchObject({
        revision: second,
        events: [{ type: 'put', entry: { key: '/a' } }],
      });
      expect(await next(events)).toMatchObject({ revision: third, events: [{ type: 'delete', key: '/a' }] });
    });

    test('a watch that wants what was replaced gets it of commits that were under way', async () => {
      await write(put('/a', 'one'));
      const writing = write(put('/a', 'two'));
      const events = watch('/');
      const last = write(put('/a', 'three'));
      await Promise.all([writing, last]);
      for (let revision = 0; revision < (await last); ) {
        const batch = await next(events);
        revision = batch.revision;
        for (const event of batch.events) expect(event.previous?.value).toBeDefined();
      }
    });

    test('time leads to revisions', async () => {
      const at = async (key: string, time: number) => {
        const result = await store.commit([put(key, 'x')], { ...INFO, time });
        return result.ok ? result.revision : -1;
      };
      const early = await at('/a', 5_000);
      const late = await at('/b', 9_000);
      expect(await store.revisionAt(4_999)).toBeUndefined();
      expect(await store.revisionAt(5_000)).toBe(early);
      expect(await store.revisionAt(8_999)).toBe(early);
      expect(await store.revisionAt(99_000)).toBe(late);
    });

    test('the keys of a lease end with it, unless it is renewed', async () => {
      const lease = await store.grantLease(leaseMs);
      await write({ op: 'put', key: '/leased', value: bytes('x'), lease }, put('/free', 'y'));
      await clock.advance(leaseMs * 0.9);
      expect(await store.renewLease(lease)).toBe(true);
      await clock.advance(leaseMs * 0.9);
      expect(await text('/leased')).toBe('x');
      const events = watch('/leased', await store.revision());
      await clock.advance(leaseMs * 0.2);
      expect((await next(events)).events[0]).toMatchObject({ type: 'delete', key: '/leased' });
      expect(await text('/free')).toBe('y');
      expect(await store.renewLease(lease)).toBe(false);
      await expect(write({ op: 'put', key: '/late', value: bytes('x'), lease })).rejects.toThrow(/lease/);
    });

    test('a revoked lease ends its keys at once', async () => {
      const lease = await store.grantLease(60_000);
      await write({ op: 'put', key: '/leased', value: bytes('x'), lease });
      await store.revokeLease(lease);
      expect(await store.get('/leased')).toBeUndefined();
    });

    test('closing ends every watch', async () => {
      const events = watch('/');
      const ended = expect(events.next()).rejects.toThrow('closed');
      await store.close();
      await ended;
    });
  });
}

async function next(events: AsyncIterator<WatchBatch>): Promise<WatchBatch> {
  const result = await events.next();
  if (result.done) throw new Error('the watch ended');
  return result.value;
}

async function drain(events: AsyncIterator<WatchBatch>): Promise<void> {
  while (!(await events.next()).done);
}
