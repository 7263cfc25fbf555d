import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RequestContext } from '#apiserver/contract.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { WriteGate } from '#apiserver/promotion/gate.ts';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { silentLogger } from '#machinery/log.ts';
import { makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import { EtcdServer, freePort, whyNoEtcd } from '#store/etcd/testing/server.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { memberHere } from '../managed-etcd/role.ts';
import { withMember } from '../managed-etcd/run.ts';
import { addUpOptions, settle, type UpFlags } from '../options.ts';
import { endPromotion, type PromotionLine, promotionHandlers } from './promotion.ts';
import { CLUSTER, openStore } from './store.ts';
import { inCharge } from './store-record.ts';

let root: string;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-promotion-'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(root, { recursive: true, force: true });
});
const deps = { clock: systemClock, random: systemRandom, log: silentLogger };

async function server(...args: string[]) {
  const all = ['--data-dir', root, '--advertise-address', '192.0.2.1', ...args];
  const settings = settle(addUpOptions(new Command()).parse(all, { from: 'user' }).opts<UpFlags>());
  const store = new MemoryStore();
  const key = `${keySpace(CLUSTER).root}core/configmaps/default/a`;
  const put = (through: MemoryStore | WriteGate['store']) =>
    through.commit([{ op: 'put', key, value: Buffer.from('x') }], { time: 1, actor: 'test' });
  await put(store);
  const gate = new WriteGate(store);
  const switched = { yet: false };
  const [get, post] = promotionHandlers({
    ...{ settings, store, gate, ...deps, authority: await authority() },
    switched: () => {
      switched.yet = true;
    },
  });
  const ask = async (handler: typeof get, body?: object) => {
    const request = { method: '', path: '', headers: {}, body: Buffer.from(JSON.stringify(body ?? {})) };
    return await handler!.serve({ request } as unknown as RequestContext);
  };
  const begin = (to: string) => ask(post, { id: 'p1', store: to, etcd: {} });
  const state = async () => JSON.parse(Buffer.from(await collect((await ask(get)).body)).toString());
  return { settings, gate, put, switched, ask, post, begin, state };
}

async function authority(): Promise<string> {
  return (await makeAuthority('test', 60_000, systemClock, systemRandom)).certificate;
}

const linesOf = async (body: Parameters<typeof collect>[0]): Promise<PromotionLine[]> =>
  Buffer.from(await collect(body))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('what is refused before it begins', () => {
  test.each([
    ['what is no etcd', [], 'sqlite', 'is no etcd'],
    ['on a server that is on etcd', ['--store', 'etcd://192.0.2.9:2379'], 'etcd://192.0.2.8:2379', 'already'],
    [
      'on one that was told to use SQLite',
      ['--store', 'sqlite'],
      'etcd://192.0.2.8:2379',
      'start it without',
    ],
  ])('%s', async (_, args, to, words) => {
    const { begin, state } = await server(...args);
    await expect(begin(to)).rejects.toThrow(words);
    expect(await state()).toMatchObject({ running: false });
  });

  test('a request of another version', async () => {
    const { ask, post } = await server();
    await expect(ask(post, { target: 'x' })).rejects.toThrow('not described as this version knows');
  });
});

const MISSING = whyNoEtcd();
describe.skipIf(MISSING)(`with an etcd${MISSING ? ` (${MISSING})` : ''}`, () => {
  async function etcd() {
    const member = await new EtcdServer().start();
    ends.push(() => member.remove());
    return member;
  }

  test('the server moves, ends, and starts there with the flags of before', async () => {
    const { endpoint } = await etcd();
    const { settings, begin, state, switched, gate, put } = await server();
    expect(await state()).toEqual({ store: 'sqlite', running: false });
    const lines = await linesOf((await begin(`etcd://${endpoint}`)).body);
    expect(lines.at(-1)).toMatchObject({ result: { id: 'p1', entries: 1, base: 1 } });
    expect(switched.yet).toBe(true);
    await expect(put(gate.store)).rejects.toThrow('try again');
    expect(await state()).toMatchObject({ promoted: { id: 'p1' } });
    const next = await inCharge(settings);
    const store = await openStore(next, CLUSTER, deps);
    ends.push(() => store.close());
    await endPromotion(next, store, systemClock);
    await endPromotion(next, store, systemClock);
    expect(await store.get(keySpace(CLUSTER).restoring)).toBeUndefined();
    expect((await store.list(keySpace(CLUSTER).root)).entries).toHaveLength(2);
    expect(readFileSync(join(root, 'store/store.db'), 'utf8')).toContain('was moved to etcd://');
  });

  test('to an etcd of its own: what an interrupted try has left goes, and the flags of before start it', async () => {
    const ports = ['--etcd-client-port', await freePort(), '--etcd-peer-port', await freePort()].map(String);
    const { settings, begin, switched } = await server(...ports, '--advertise-address', '127.0.0.1');
    mkdirSync(join(root, 'etcd/data/member/wal'), { recursive: true });
    writeFileSync(join(root, 'etcd/data/member/wal/0.wal'), 'half');
    const lines = await linesOf((await begin('etcd')).body);
    expect(lines.at(-1)).toMatchObject({ result: { entries: 1 } });
    expect(switched.yet).toBe(true);
    const next = await inCharge(settings);
    expect(next.store).toEqual({ kind: 'managed-etcd' });
    const member = await memberHere(next, systemFiles());
    const signal = new AbortController().signal;
    const held = await withMember(next.paths, member, { clock: systemClock, signal }, async () => {
      const store = await openStore(next, CLUSTER, deps);
      await endPromotion(next, store, systemClock);
      const { entries } = await store.list(keySpace(CLUSTER).root);
      await store.close();
      return entries.map(({ key }) => key.split('/').at(-1));
    });
    expect(held).toEqual(['base', 'a']);
    await expect(inCharge({ ...settings, store: { kind: 'sqlite', said: true } })).rejects.toThrow(
      'leave --store out',
    );
  });

  test('one at a time; a command that ends gives it up, and the old store takes writes', async () => {
    const { endpoint } = await etcd();
    const { begin, state, gate, put, switched } = await server();
    const { body } = await begin(`etcd://${endpoint}`);
    await expect(begin(`etcd://${endpoint}`)).rejects.toThrow('being promoted already');
    await (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().return?.();
    await expect.poll(async () => (await state()).running, { timeout: 15_000 }).toBe(false);
    await put(gate.store);
    expect([switched.yet, existsSync(join(root, 'store.json'))]).toEqual([false, false]);
    const again = await linesOf((await begin(`etcd://${endpoint}`)).body);
    expect(again.at(-1)).toMatchObject({ result: { entries: 1 } });
  });
});
