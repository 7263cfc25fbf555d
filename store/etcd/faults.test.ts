import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { InvalidCommitError } from '../commit.ts';
import { CompactedError, type Op, type Revision, type Store, StoreFailedError } from '../contract.ts';
import { EtcdUnavailableError, openEtcdStore } from './index.ts';
import {
  defragment,
  disarmNoSpace,
  etcdStatus,
  forgetHistory,
  inDefragmentOrder,
  type MemberStatus,
} from './maintenance.ts';
import { EtcdServer, whyNoEtcd } from './testing/server.ts';
import { Wire } from './testing/wire.ts';

const INFO = { time: 1_000, actor: 'test' };
const MISSING = whyNoEtcd();
const lines: LogLine[] = [];

function open(endpoints: string[], prefix: string, retryMs?: number): Promise<Store> {
  const log = memoryLogger(lines);
  const root = `${prefix}/`;
  const clock = systemClock;
  return openEtcdStore({ endpoints, root, prefix, clock, random: systemRandom, log, retryMs });
}

async function write(store: Store, key: string, value: string, expect?: Revision): Promise<Revision> {
  const op: Op = { op: 'put', key, value: Buffer.from(value), expect };
  const result = await store.commit([op], INFO);
  if (!result.ok) throw new Error(`conflict at ${result.key}`);
  return result.revision;
}

describe.skipIf(MISSING)(`etcd: broken connections${MISSING ? ` (${MISSING})` : ''}`, () => {
  const server = new EtcdServer(['--unsafe-no-fsync']);
  let wire: Wire;
  /** Speaks to etcd itself, the other one over the wire. */
  let direct: Store;
  let behind: Store;

  beforeAll(async () => {
    await server.start();
    wire = await new Wire(server.endpoint).listen();
    direct = await open([server.endpoint], '/gantry/faults');
    behind = await open([wire.endpoint], '/gantry/faults');
  });
  afterAll(async () => {
    await direct?.close();
    await behind?.close();
    await wire?.close();
    await server.remove();
  });

  test('reconnecting in the middle of a stream of 5,000 events loses nothing', async () => {
    const total = 5_000;
    const start = await direct.revision();
    const before = wire.connections;
    const events = behind.watch('/', start, AbortSignal.timeout(15_000))[Symbol.asyncIterator]();
    let written = 0;
    const writing = Promise.all(
      Array.from({ length: 32 }, async () => {
        while (written < total) await write(direct, `/k${written % 50}`, `${written++}`);
      }),
    );
    const seen: Revision[] = [];
    while (seen.length < total) {
      const { revision, events: changes } = (await events.next()).value!;
      if (changes.length > 0) seen.push(revision);
      if (seen.length % 700 === 0) wire.cut();
    }
    await writing;
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => start + 1 + i));
    expect(wire.connections - before).toBeGreaterThan(3);
  });

  test('what is compacted while the connection is broken ends watches with CompactedError', async () => {
    const revision = await write(direct, '/a', 'before');
    const events = behind.watch('/', revision - 1, AbortSignal.timeout(15_000))[Symbol.asyncIterator]();
    await events.next();
    wire.block();
    for (let i = 0; i < 10; i++) await write(direct, '/a', `unseen ${i}`);
    await direct.compact(await direct.revision());
    wire.unblock();
    await expect(events.next()).rejects.toThrow(CompactedError);
    // A new watch goes on from now.
    const again = behind
      .watch('/', await behind.revision(), AbortSignal.timeout(5_000))
      [Symbol.asyncIterator]();
    const after = await write(direct, '/a', 'after');
    expect((await again.next()).value).toMatchObject({ revision: after });
  });

  test('a commit whose answer is lost is found, and not made twice', async () => {
    let revision = await write(behind, '/counter', '0');
    let cuts = 0;
    const cutting = setInterval(() => {
      cuts += 1;
      wire.cut();
    }, 250);
    let last = 0;
    try {
      while (cuts < 10) revision = await write(behind, '/counter', `${++last}`, revision);
    } finally {
      clearInterval(cutting);
    }
    const entry = await direct.get('/counter');
    expect(entry).toMatchObject({ revision });
    expect(Buffer.from(entry!.value).toString()).toBe(`${last}`);
  });

  test('a write of others in the same etcd is an empty batch', async () => {
    const other = await open([server.endpoint], '/gantry/other');
    const revision = await write(other, '/theirs', 'x');
    const events = direct.watch('/', revision - 1, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ revision, events: [] });
    await other.close();
  });

  test('a commit that is too large is refused before it is sent', async () => {
    await expect(write(direct, '/large', 'x'.repeat(1_600_000))).rejects.toThrow(InvalidCommitError);
  });

  test('a version with known faults is named in a warning', () => {
    const warning = lines.find(({ level }) => level === 'warn');
    if (String(warning?.fields['version']).startsWith('3.4.23'))
      expect(warning?.fields['faults']).toContainEqual(expect.stringContaining('issue 17529'));
  });
});

describe.skipIf(MISSING)(`etcd: servers that stop${MISSING ? ` (${MISSING})` : ''}`, () => {
  test('killed and started again: commits fail or succeed, never lie', { timeout: 30_000 }, async () => {
    const server = await new EtcdServer().start();
    const store = await open([server.endpoint], '/gantry/killed');
    const stop = new AbortController();
    let acknowledged = 0;
    let failed = 0;
    const writer = async (key: string) => {
      let revision = 0;
      let value = 0;
      while (!stop.signal.aborted) {
        const op: Op = { op: 'put', key, value: Buffer.from(`${value + 1}`), expect: revision };
        const result = await store.commit([op], INFO).catch(() => undefined);
        if (result) {
          // Nobody else writes this key: a conflict would be a lie.
          expect(result.ok).toBe(true);
          revision = result.ok ? result.revision : 0;
          value += 1;
          acknowledged += 1;
        } else failed += 1;
        if (result && acknowledged % 20 !== 0) continue;
        const entry = await store.get(key).catch(() => undefined);
        if (!entry) continue;
        const held = Number(Buffer.from(entry.value).toString());
        if (result) expect(held).toBe(value);
        else expect([value, value + 1]).toContain(held);
        value = held;
        revision = entry.revision;
      }
      return { key, value };
    };
    try {
      const writing = Array.from({ length: 8 }, (_, i) => writer(`/w${i}`));
      for (let i = 0; i < 3; i++) {
        const before = acknowledged;
        while (acknowledged < before + 50) await new Promise((resolve) => setTimeout(resolve, 5));
        await server.kill();
        await server.start();
      }
      const before = acknowledged;
      while (acknowledged < before + 50) await new Promise((resolve) => setTimeout(resolve, 5));
      stop.abort();
      for (const { key, value } of await Promise.all(writing))
        expect(Buffer.from((await store.get(key))!.value).toString()).toBe(`${value}`);
      expect({ acknowledged: acknowledged >= 200, failed: failed < acknowledged }).toEqual({
        acknowledged: true,
        failed: true,
      });
    } finally {
      stop.abort();
      await store.close();
      await server.remove();
    }
  });

  test('three members, one killed and one paused in turn: nothing is lost', { timeout: 40_000 }, async () => {
    const members = await EtcdServer.cluster(3, ['--unsafe-no-fsync']);
    const store = await open(
      members.map(({ endpoint }) => endpoint),
      '/gantry/three',
    );
    const stop = new AbortController();
    const acknowledged = new Map<Revision, string>();
    const seen = new Map<Revision, string>();
    const start = await store.revision();
    const following = (async () => {
      for await (const { revision, events } of store.watch('/', start, stop.signal)) {
        expect(revision).toBe(start + 1 + seen.size);
        const [event] = events;
        seen.set(revision, event?.type === 'put' ? Buffer.from(event.entry.value).toString() : '');
      }
    })();
    let written = 0;
    const writing = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) {
        const value = `${written++}`;
        // An error leaves open what became of the write: only what was acknowledged must be there.
        const revision = await write(store, `/k${written % 10}`, value).catch(() => undefined);
        if (revision !== undefined) acknowledged.set(revision, value);
      }
    });
    const progress = async (count: number) => {
      const before = acknowledged.size;
      while (acknowledged.size < before + count) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    try {
      await progress(50);
      await members[0]!.kill();
      await progress(50);
      await members[0]!.start();
      await progress(50);
      members[1]!.signal('SIGSTOP');
      await progress(50);
      members[1]!.signal('SIGCONT');
      await progress(50);
      stop.abort();
      await Promise.all(writing);
      const end = await store.revision();
      await following;
      const rest = store.watch('/', start + seen.size, AbortSignal.timeout(5_000));
      for await (const { revision, events } of rest) {
        const [event] = events;
        seen.set(revision, event?.type === 'put' ? Buffer.from(event.entry.value).toString() : '');
        if (revision >= end) break;
      }
      for (const [revision, value] of acknowledged) expect(seen.get(revision)).toBe(value);
    } finally {
      stop.abort();
      await store.close();
      await Promise.all(members.map((member) => member.remove()));
    }
  });

  test(
    'a full etcd says how it is cured, can be read, and takes writes once it is',
    { timeout: 30_000 },
    async () => {
      const server = await new EtcdServer(['--unsafe-no-fsync', '--quota-backend-bytes', '8000000']).start();
      const options = { endpoints: [server.endpoint], clock: systemClock };
      const store = await open([server.endpoint], '/gantry/full');
      try {
        // One key again and again: its history is what fills etcd.
        const fill = async () => {
          for (let i = 0; i < 20; i++) await write(store, '/k', 'x'.repeat(1_000_000));
        };
        const failure = await fill().catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(StoreFailedError);
        expect((failure as Error).message).toContain('gantry etcd defrag');
        expect(store.condition()).toBe((failure as Error).message);
        expect(await store.get('/k')).toBeDefined();
        const [full] = await etcdStatus(options);
        expect(full).toMatchObject({ endpoint: server.endpoint, isLeader: true, alarms: ['NOSPACE'] });
        await forgetHistory(options, 0);
        const after = await defragment(options, server.endpoint);
        expect(after.sizeBytes).toBeLessThan((full as MemberStatus).sizeBytes / 2);
        await disarmNoSpace(options);
        await write(store, '/k', 'small');
        expect(store.condition()).toBeUndefined();
      } finally {
        await store.close();
        await server.remove();
      }
    },
  );

  test(
    'the leader is defragmented last, and a member that does not answer is told',
    { timeout: 60_000 },
    async () => {
      const members = await EtcdServer.cluster(3, ['--unsafe-no-fsync']);
      const options = {
        endpoints: members.map(({ endpoint }) => endpoint),
        clock: systemClock,
        retryMs: 5_000,
      };
      const store = await open(options.endpoints, '/gantry/defrag');
      try {
        await write(store, '/k', 'x');
        const all = (await etcdStatus(options)) as MemberStatus[];
        expect(all.filter(({ isLeader }) => isLeader)).toHaveLength(1);
        expect(inDefragmentOrder(all).at(-1)!.isLeader).toBe(true);
        for (const { endpoint } of inDefragmentOrder(all)) await defragment(options, endpoint);
        await write(store, '/k', 'y');
        await members[0]!.kill();
        const [gone, ...others] = await etcdStatus(options);
        expect(gone).toHaveProperty('fault');
        for (const other of others)
          expect(other).toEqual(expect.objectContaining({ revision: expect.any(Number), alarms: [] }));
        await members[1]!.kill();
        const [, second, last] = await etcdStatus(options);
        expect(second).toHaveProperty('fault');
        expect(last).toMatchObject({ revision: expect.any(Number), alarms: ['NOLEADER'] });
      } finally {
        await store.close();
        await Promise.all(members.map((member) => member.remove()));
      }
    },
  );

  test('no etcd at all: opening fails and says what to see to', async () => {
    const server = await new EtcdServer(['--unsafe-no-fsync']).start();
    const { endpoint } = server;
    await server.remove();
    await expect(open([endpoint], '/gantry/none', 500)).rejects.toThrow(EtcdUnavailableError);
  });
});
