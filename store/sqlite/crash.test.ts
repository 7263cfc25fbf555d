/** What was acknowledged survives kill -9 and a disk without room, and nothing is ever half there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { seededRandom } from '#machinery/random.ts';
import { type Store, StoreFailedError } from '../contract.ts';
import { openSqliteStore } from './index.ts';

const KILLS = process.env['GANTRY_FULL'] ? 200 : 20;
/** Within this time after its start a writer is killed. */
const KILL_WITHIN_MS = 150;
const WRITER = new URL('./testing/writer.ts', import.meta.url).pathname;

let directory: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-crash-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

interface Acknowledged {
  /** The newest acknowledged text and revision of each key. */
  newest: Map<string, { revision: number; text: string }>;
  revision: number;
  revisions: Set<number>;
  failures: string[];
}

/** Starts a writer; `limitBytes` bounds every file it writes, as a full disk would. */
async function startWriter(
  seen: Acknowledged,
  run: string,
  limitBytes?: number,
): Promise<{ ended: Promise<unknown> }> {
  const command = [process.execPath, WRITER, directory, run];
  const [file, ...args] = limitBytes ? ['prlimit', `--fsize=${limitBytes}`, ...command] : command;
  child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout! });
  const ready = once(lines, 'line');
  lines.on('line', (line) => note(seen, line));
  await Promise.race([ready, ended]);
  return { ended };
}

function note(seen: Acknowledged, line: string): void {
  const [key, second, text] = line.split(' ') as [string, string, string];
  if (key === 'ready') return;
  if (key === 'failed') {
    seen.failures.push(second);
    return;
  }
  const revision = Number(second);
  if (seen.revisions.has(revision)) throw new Error(`revision ${revision} was acknowledged twice`);
  seen.revisions.add(revision);
  if (revision > (seen.newest.get(key)?.revision ?? 0)) seen.newest.set(key, { revision, text });
  seen.revision = Math.max(seen.revision, revision);
}

const textOf = (value: Uint8Array) => Buffer.from(value).toString().replace(/\.*$/, '');

async function expectAllThere(store: Store, seen: Acknowledged): Promise<void> {
  expect(await store.revision()).toBeGreaterThanOrEqual(seen.revision);
  for (const [key, { revision, text }] of seen.newest) {
    const then = await store.get(key, revision);
    expect(textOf(then!.value), `${key} at ${revision}`).toBe(text);
    const [now, twin] = [await store.get(key), await store.get(`${key}/twin`)];
    expect(now!.revision).toBeGreaterThanOrEqual(revision);
    expect(twin!.revision, 'a commit is there whole').toBe(now!.revision);
  }
}

const nothingSeen = (): Acknowledged => ({
  newest: new Map(),
  revision: 0,
  revisions: new Set(),
  failures: [],
});

test(`a writer that is killed ${KILLS} times loses nothing that was acknowledged`, async () => {
  const random = seededRandom(4);
  const seen = nothingSeen();
  for (let kill = 0; kill < KILLS; kill++) {
    const { ended } = await startWriter(seen, `run-${kill}`);
    await sleep(systemClock, random.next() * KILL_WITHIN_MS);
    child!.kill('SIGKILL');
    await ended;
    const store = await openSqliteStore({ directory, clock: systemClock });
    await expectAllThere(store, seen);
    // Opened anew, it goes on after the newest revision, not over it.
    const before = await store.revision();
    const ops = [{ op: 'put', key: '/between', value: Buffer.from('x') }] as const;
    expect(await store.commit(ops, { time: 1, actor: 'test' })).toEqual({ ok: true, revision: before + 1 });
    seen.revision = before + 1;
    await store.close();
  }
  expect(seen.newest.size).toBeGreaterThan(0);
}, 600_000);

test('without room for a write the store says that it failed, keeps what it had, and works when there is room', async () => {
  const seen = nothingSeen();
  const { ended } = await startWriter(seen, 'full', 4 * 1024 * 1024);
  await ended;
  expect(seen.newest.size).toBeGreaterThan(0);
  expect(new Set(seen.failures)).toEqual(new Set([new StoreFailedError().name]));
  const store = await openSqliteStore({ directory, clock: systemClock });
  await expectAllThere(store, seen);
  const ops = [{ op: 'put', key: '/after', value: Buffer.from('x') }] as const;
  expect(await store.commit(ops, { time: 1, actor: 'test' })).toMatchObject({ ok: true });
  await store.close();
}, 60_000);
