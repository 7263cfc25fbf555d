import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Op, Store } from '#store/contract.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { EtcdServer, whyNoEtcd } from '#store/etcd/testing/server.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { HalfRestoredError, refuseHalfRestored } from '../backup/marker.ts';
import { StoreNotEmptyError } from '../backup/restore.ts';
import { readBase } from '../engine/base.ts';
import { keySpace } from '../engine/keys.ts';
import { callsTo, startTestServer, watchOf } from '../fake/server.ts';
import { finishPromotion, NotPromotedError } from './finish.ts';
import { WriteGate } from './gate.ts';
import {
  CopyDiffersError,
  HeldTooLongError,
  OversizedEntryError,
  type Promoted,
  type PromotionOptions,
  promote,
} from './promote.ts';

const CLUSTER = 'test';
const keys = keySpace(CLUSTER);
const INFO = { time: 1, actor: 'test' };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const key = (name: string) => `${keys.root}core/configmaps/default/${name}`;
const putOp = (name: string, value: string): Op => ({ op: 'put', key: key(name), value: Buffer.from(value) });
const put = (store: Store, name: string, value: string) => store.commit([putOp(name, value)], INFO);

async function contents(store: Store): Promise<Map<string, string>> {
  const { entries } = await store.list(keys.root);
  const own = [keys.base, keys.restoring];
  return new Map(
    entries.filter((e) => !own.includes(e.key)).map((e) => [e.key, Buffer.from(e.value).toString()]),
  );
}

async function sqlite(): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-promote-'));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  const store = await openSqliteStore({ directory, clock: systemClock });
  ends.push(() => store.close());
  return store;
}

async function filled(entries = 250, store: Store = new MemoryStore()): Promise<Store> {
  for (let i = 0; i < entries; i++) await put(store, `m${i}`, `value ${i}`);
  return store;
}

/** A promotion between two stores, and what it has decided. */
function promotion(source: Store, target: Store, overrides: Partial<PromotionOptions> = {}) {
  const gate = new WriteGate(source);
  const decided: Promoted[] = [];
  const options: PromotionOptions = {
    ...{ source, target, gate, keys, id: 'p1', owner: 'us', clock: systemClock },
    ...{ signal: new AbortController().signal, progress: () => undefined },
    decide: async (promoted) => void decided.push(promoted),
    ...overrides,
  };
  return { gate, decided, run: () => promote(options) };
}

const finish = (target: Store, { id, base }: Promoted) => finishPromotion(target, keys, { id, base, now: 9 });

test('everything is there afterwards, with greater resourceVersions, and nobody else starts before its server', async () => {
  const source = await filled();
  const target = new MemoryStore();
  const steps: string[] = [];
  const { gate, run, decided } = promotion(source, target, { progress: ({ step }) => steps.push(step) });
  const promoted = await run();
  expect(steps).toEqual(['checked', 'copy', 'copy', 'copy', 'hold', 'compare']);
  expect(decided).toEqual([promoted]);
  expect(promoted).toMatchObject({ entries: 250, base: 250 });
  expect(await contents(target)).toEqual(await contents(source));
  await expect(put(gate.store, 'late', 'x')).rejects.toThrow('try again');
  await expect(startTestServer({ store: target })).rejects.toThrow('only the server that promotes');
  await finish(target, promoted);
  await finish(target, promoted);
  await refuseHalfRestored(target, keys);
  const { base } = await readBase(target, keys.base);
  expect(base).toBe(await source.revision());
});

test('a base from an earlier restore is carried on', async () => {
  const source = await filled(3);
  await source.commit([{ op: 'put', key: keys.base, value: Buffer.from('{"base":1000}') }], INFO);
  const promoted = await promotion(source, new MemoryStore()).run();
  expect(promoted).toMatchObject({ entries: 3, base: 1004 });
});

test('under writes, what was acknowledged is there, and what was not is refused', async () => {
  const source = await filled(500, await sqlite());
  const target = new MemoryStore();
  let during = 0;
  const { gate, run } = promotion(source, target, {
    progress: () => {
      during = acknowledged.size;
    },
  });
  const acknowledged = new Map<string, string | undefined>();
  const refused: unknown[] = [];
  const writer = async (name: string) => {
    for (let i = 0; ; i++) {
      const value = i % 5 === 4 ? undefined : `${i}`;
      const op: Op = value === undefined ? { op: 'delete', key: key(name) } : putOp(name, value);
      try {
        await gate.store.commit([op], INFO);
      } catch (error) {
        return void refused.push(error);
      }
      acknowledged.set(key(name), value);
    }
  };
  const writers = Array.from({ length: 20 }, (_, i) => writer(`w${i}`));
  await run();
  await Promise.all(writers);
  const held = await contents(target);
  expect(held).toEqual(await contents(source));
  for (const [name, value] of acknowledged) expect(held.get(name)).toBe(value);
  expect([refused.length, during]).toEqual([20, 20]);
});

test('interrupted at any commit the old store is in charge and takes writes; run again it comes to its end', async () => {
  for (let allowed = 0; ; allowed++) {
    const source = await filled();
    const target = new MemoryStore();
    const broken = promotion(source, failing(target, allowed));
    const error = await broken.run().then(
      () => undefined,
      (reason: Error) => reason,
    );
    if (!error) {
      expect(allowed).toBeGreaterThan(3);
      break;
    }
    expect(error.message).toBe('etcd went');
    expect(broken.decided).toEqual([]);
    await put(broken.gate.store, 'm1', 'later');
    if (allowed > 0) await expect(refuseHalfRestored(target, keys)).rejects.toBeInstanceOf(HalfRestoredError);
    await target.commit([putOp('left-over', 'x')], INFO);
    if (allowed === 0) await target.commit([{ op: 'delete', key: key('left-over') }], INFO);
    const again = promotion(source, target, { id: 'p2' });
    const promoted = await again.run();
    expect(await contents(target)).toEqual(await contents(source));
    await finish(target, promoted);
  }
});

describe('what gives it up, with the old store in charge', () => {
  async function refused(source: Store, target: Store, overrides: Partial<PromotionOptions>, error: unknown) {
    const before = await contents(target);
    const { gate, run, decided } = promotion(source, target, overrides);
    await expect(run()).rejects.toBeInstanceOf(error);
    expect(decided).toEqual([]);
    await put(gate.store, 'after', 'x');
    return { before, after: await contents(target) };
  }

  test('a target that holds a cluster, or is filled by another one or by a restore: nothing there is changed', async () => {
    const full = await filled(2);
    const marks = [{ promotion: 'x', owner: 'them', whole: false }, { sha256: 'abc' }];
    const targets = await Promise.all(
      marks.map(async (mark) => {
        const store = new MemoryStore();
        const value = Buffer.from(JSON.stringify(mark));
        await store.commit([{ op: 'put', key: keys.restoring, value }, putOp('theirs', 'x')], INFO);
        return store;
      }),
    );
    for (const target of [full, ...targets]) {
      const { before, after } = await refused(await filled(), target, {}, StoreNotEmptyError);
      expect(after).toEqual(before);
    }
  });

  test('an object that etcd would not take: named, before anything is written or held', async () => {
    const source = await filled();
    await put(source, 'huge', 'x'.repeat(1_572_000));
    const target = new MemoryStore();
    const steps: string[] = [];
    const { run } = promotion(source, target, { progress: ({ step }) => steps.push(step) });
    await expect(run()).rejects.toThrow(/^core\/configmaps\/default\/huge takes 157\d+ bytes/);
    await refused(source, target, {}, OversizedEntryError);
    expect([steps, await target.revision()]).toEqual([[], 0]);
  });

  test('somebody else who begins to fill the target meanwhile', async () => {
    const target = new MemoryStore();
    const progress: PromotionOptions['progress'] = ({ step }) => {
      const value = Buffer.from('{"sha256":"abc"}');
      if (step === 'copy') void target.commit([{ op: 'put', key: keys.restoring, value }], INFO);
    };
    await refused(await filled(), target, { progress }, StoreNotEmptyError);
  });

  test('a copy that differs', async () => {
    const target = new MemoryStore();
    const progress: PromotionOptions['progress'] = ({ step }) => {
      if (step === 'compare') void put(target, 'm1', 'other');
    };
    await refused(await filled(), target, { progress }, CopyDiffersError);
  });

  test('a switch that cannot be kept', async () => {
    class DiskFull extends Error {}
    const decide = async () => {
      throw new DiskFull();
    };
    await refused(await filled(), new MemoryStore(), { decide }, DiskFull);
  });

  test('a target that hangs while writes are held: they go on after the limit', async () => {
    const clock = new VirtualClock();
    const target = new MemoryStore();
    let hangs = false;
    const source = await filled();
    const { gate, run, decided } = promotion(
      source,
      hanging(target, () => hangs),
      {
        clock,
        progress: ({ step }) => {
          hangs = step === 'compare';
        },
      },
    );
    const running = run().catch((error: unknown) => error);
    await vi.waitFor(() => expect(hangs).toBe(true));
    let written = false;
    const write = put(gate.store, 'held', 'x').then(() => {
      written = true;
    });
    await clock.advance(29_000);
    expect(written).toBe(false);
    await clock.advance(2_000);
    expect(await running).toBeInstanceOf(HeldTooLongError);
    await write;
    expect(decided).toEqual([]);
  });

  test.each(['checked', 'copy', 'hold', 'compare'])('a command that ends at "%s"', async (when) => {
    class Gone extends Error {}
    const abort = new AbortController();
    const progress: PromotionOptions['progress'] = ({ step }) => {
      if (step === when) abort.abort(new Gone());
    };
    await refused(await filled(), new MemoryStore(), { progress, signal: abort.signal }, Gone);
  });
});

test('a server does not start on an etcd that is not the one it was moved to', async () => {
  const promoted = await promotion(await filled(2), new MemoryStore()).run();
  await expect(finish(new MemoryStore(), promoted)).rejects.toBeInstanceOf(NotPromotedError);
  const target = new MemoryStore();
  await promotion(await filled(2), target, { id: 'p2' }).run();
  await expect(finish(target, promoted)).rejects.toBeInstanceOf(HalfRestoredError);
});

const MISSING = whyNoEtcd();
test.skipIf(MISSING)(
  `a served cluster goes from SQLite to etcd: objects, and watches from before are told to list anew${MISSING ? ` (${MISSING})` : ''}`,
  async () => {
    const source = await sqlite();
    const etcd = await new EtcdServer().start();
    ends.push(() => etcd.remove());
    const options = { endpoints: [etcd.endpoint], root: `/gantry/${CLUSTER}/`, clock: systemClock };
    const target = await openEtcdStore({ ...options, random: systemRandom, log: silentLogger });
    ends.push(() => target.close());
    const { gate, run } = promotion(source, target);
    const server = await startTestServer({ store: gate.store });
    const maps = '/api/v1/namespaces/default/configmaps';
    const object = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
    const call = callsTo(server);
    const made = await call('POST', maps, object('a'));
    const watch = await watchOf(server, `${maps}?watch=true&resourceVersion=0`);
    await run();
    const seen = Number((await call('GET', maps)).body.metadata.resourceVersion);
    expect((await call('POST', maps, object('b'))).status).toBe(503);
    watch.stop();
    await server.stop();
    const promoted = { id: 'p1', base: seen } as Promoted;
    await finish(target, promoted);
    const config = { cluster: CLUSTER, serviceCidr: '10.96.0.0/16', nodePorts: { from: 30_000, to: 32_767 } };
    const next = await startTestServer({ store: target, config: { ...config, sharedStore: true } });
    ends.push(() => next.stop());
    const ask = callsTo(next);
    const found = await ask('GET', `${maps}/a`);
    expect(found.body.metadata.uid).toBe(made.body.metadata.uid);
    expect(Number(found.body.metadata.resourceVersion)).toBeGreaterThan(seen);
    for (const version of [1, seen]) {
      const old = await ask('GET', `${maps}?watch=true&resourceVersion=${version}&timeoutSeconds=1`);
      expect(JSON.stringify(old)).toContain('Expired');
    }
    expect((await ask('POST', maps, object('b'))).status).toBe(201);
  },
);

/** Lets some commits through; then every one fails. */
function failing(store: Store, allowed: number): Store {
  let left = allowed;
  return onCommit(store, (commit) => {
    if (left-- <= 0) throw new Error('etcd went');
    return commit();
  });
}

/** Reads never come to an end while it hangs. */
function hanging(store: Store, hangs: () => boolean): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as (...args: unknown[]) => unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        name === 'list' && hangs() ? new Promise(() => undefined) : value.apply(target, args);
    },
  });
}

function onCommit(store: Store, wrap: (commit: () => unknown) => unknown): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as (...args: unknown[]) => unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        name === 'commit' ? wrap(() => value.apply(target, args)) : value.apply(target, args);
    },
  });
}
