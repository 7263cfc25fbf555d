/** A disk that fails, stalls, is full or tears a write: what was acknowledged is there, and nothing else is told. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { seededRandom } from '#machinery/random.ts';
import { openSqliteStore } from './index.ts';
import { Acknowledged } from './testing/acknowledged.ts';
import { ERRNO, FaultyDisk } from './testing/faulty-disk.ts';
import { WriterProcess } from './testing/writers.ts';

const TEARS = process.env['GANTRY_FULL'] ? 100 : 10;
const ACKNOWLEDGED = /^\//;
const FAILED = /^failed StoreFailedError$/;

let workspace: string;
let directory: string;
let disk: FaultyDisk;
let seen: Acknowledged;
let writer: WriterProcess | undefined;

beforeEach(() => {
  workspace = mkdtempSync(join(tmpdir(), 'gantry-disk-'));
  directory = join(workspace, 'store');
  mkdirSync(directory);
  disk = new FaultyDisk(directory, workspace);
  seen = new Acknowledged();
});
afterEach(async () => {
  await writer?.kill();
  disk.close();
  rmSync(workspace, { recursive: true, force: true });
});

async function startWriter(run: string, ...flags: string[]): Promise<WriterProcess> {
  writer = new WriterProcess({ directory, run, seen, flags, env: disk.env });
  await writer.ready;
  return writer;
}

/** Opens what is left with a good disk and holds it to what was told. */
async function expectAllThere(): Promise<void> {
  const store = await openSqliteStore({ directory, clock: systemClock });
  try {
    await seen.check(store);
    const before = await store.revision();
    const ops = [{ op: 'put', key: '/after', value: Buffer.from('x') }] as const;
    expect(await store.commit(ops, { time: 1, actor: 'test' })).toEqual({ ok: true, revision: before + 1 });
  } finally {
    await store.close();
  }
}

test.each([
  ['a write that fails (EIO)', 'writeErrno'],
  ['a sync that fails (EIO)', 'syncErrno'],
] as const)('%s ends the store for good: nothing is acknowledged any more', async (_, control) => {
  const { more, lines, kill } = bound(await startWriter('broken', '--go-on'));
  await more(50, ACKNOWLEDGED);
  disk.set(control, ERRNO.EIO);
  await more(1, FAILED);
  // A disk that says it is well again cannot be believed: what it lost meanwhile nobody knows.
  disk.set(control, 0);
  await more(50, FAILED);
  const first = lines.findIndex((line) => FAILED.test(line));
  expect(lines.slice(first).filter((line) => ACKNOWLEDGED.test(line))).toEqual([]);
  await kill();
  await expectAllThere();
});

test('who watches is told that the store has failed', async () => {
  const { more, lines } = bound(await startWriter('watched', '--go-on', '--watch'));
  await more(10, ACKNOWLEDGED);
  disk.set('syncErrno', ERRNO.EIO);
  await more(1, /^watch ended with StoreFailedError$/);
  expect(lines.filter((line) => line.startsWith('watch ended'))).toHaveLength(1);
});

test('a full disk (ENOSPC) refuses commits, and takes them again when there is room', async () => {
  const { more, kill } = bound(await startWriter('full', '--go-on', '--compact'));
  await more(50, ACKNOWLEDGED);
  disk.set('writeErrno', ERRNO.ENOSPC);
  await more(20, FAILED);
  disk.set('writeErrno', 0);
  await more(50, ACKNOWLEDGED);
  await kill();
  await expectAllThere();
});

test('a disk that stalls holds up commits, and nothing else', async () => {
  const { more, lines, kill } = bound(await startWriter('slow', '--tick'));
  await more(50, ACKNOWLEDGED);
  disk.set('stallMs', 2_000);
  const begun = lines.length;
  await more(10, /^tick$/);
  // The commits that wait share the sync after the one that stalls.
  await more(1, ACKNOWLEDGED);
  disk.set('stallMs', 0);
  await more(50, ACKNOWLEDGED);
  await kill();
  expect(seen.failures).toEqual([]);
  // While nothing was acknowledged, the event loop went on.
  const during = lines.slice(begun).map((line) => (line === 'tick' ? 't' : 'a'));
  expect(during.join('')).toMatch(/t{5}/);
  await expectAllThere();
});

test(`a write that is torn when the machine goes down, ${TEARS} times`, async () => {
  const random = seededRandom(11);
  for (let tear = 0; tear < TEARS; tear++) {
    disk.set('tearAt', disk.get('writes') + 20 + Math.floor(random.next() * 400));
    const { ended } = bound(await startWriter(`tear-${tear}`, '--compact'));
    expect(await ended).toBe(71);
    disk.set('tearAt', 0);
    await expectAllThere();
    seen.reached(seen.newest + 1);
  }
}, 240_000);

/** Its methods, to be used by themselves. */
function bound(process: WriterProcess) {
  const { lines, ended } = process;
  return { lines, ended, more: process.more.bind(process), kill: process.kill.bind(process) };
}
