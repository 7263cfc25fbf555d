/** What was acknowledged survives kill -9 and a disk without room, and nothing is ever half there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { seededRandom } from '#machinery/random.ts';
import { StoreFailedError } from '../contract.ts';
import { openSqliteStore } from './index.ts';
import { Acknowledged } from './testing/acknowledged.ts';
import { WriterProcess } from './testing/writers.ts';

const KILLS = process.env['GANTRY_FULL'] ? 200 : 20;
/** Within this time after its start a writer is killed. */
const KILL_WITHIN_MS = 150;

let directory: string;
let writer: WriterProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-crash-'));
});
afterEach(async () => {
  await writer?.kill();
  rmSync(directory, { recursive: true, force: true });
});

test(`a writer that is killed ${KILLS} times loses nothing that was acknowledged`, async () => {
  const random = seededRandom(4);
  const seen = new Acknowledged();
  for (let kill = 0; kill < KILLS; kill++) {
    writer = new WriterProcess({ directory, run: `run-${kill}`, seen, flags: ['--compact'] });
    await writer.ready;
    await sleep(systemClock, random.next() * KILL_WITHIN_MS);
    await writer.kill();
    const store = await openSqliteStore({ directory, clock: systemClock });
    await seen.check(store);
    // Opened anew, it goes on after the newest revision, not over it.
    const before = await store.revision();
    const ops = [{ op: 'put', key: '/between', value: Buffer.from('x') }] as const;
    expect(await store.commit(ops, { time: 1, actor: 'test' })).toEqual({ ok: true, revision: before + 1 });
    seen.reached(before + 1);
    await store.close();
  }
  expect(seen.count).toBeGreaterThan(0);
}, 600_000);

test('without room for a write the store says that it failed, keeps what it had, and works when there is room', async () => {
  const seen = new Acknowledged();
  writer = new WriterProcess({ directory, run: 'full', seen, limitBytes: 4 * 1024 * 1024 });
  await writer.ended;
  expect(seen.count).toBeGreaterThan(0);
  expect(new Set(seen.failures)).toEqual(new Set([new StoreFailedError().name]));
  const store = await openSqliteStore({ directory, clock: systemClock });
  await seen.check(store);
  const ops = [{ op: 'put', key: '/after', value: Buffer.from('x') }] as const;
  expect(await store.commit(ops, { time: 1, actor: 'test' })).toMatchObject({ ok: true });
  await store.close();
}, 60_000);
