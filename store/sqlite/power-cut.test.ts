/**
 * The power is cut after every change that a run made to the disk: the store opens, has all that was acknowledged by then,
 * and nothing by half.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { seededRandom } from '#machinery/random.ts';
import { openSqliteStore } from './index.ts';
import { Acknowledged } from './testing/acknowledged.ts';
import { type Change, FaultyDisk } from './testing/faulty-disk.ts';
import { filesAfter, putFiles, type Unsynced } from './testing/power-cut.ts';
import { WriterProcess } from './testing/writers.ts';

/** Cuts to try of each kind, spread over the run; each costs the start of a store. */
const CUTS = process.env['GANTRY_FULL'] ? Number.POSITIVE_INFINITY : 25;
const COMMITS_EACH = 120;
const NOTES = 'acknowledged';

let workspace: string;
let changes: Change[];

beforeAll(async () => {
  workspace = mkdtempSync(join(tmpdir(), 'gantry-cut-'));
  const directory = join(workspace, 'store');
  mkdirSync(directory);
  const disk = new FaultyDisk(directory, workspace);
  const flags = ['--note', '--compact', `--commits=${COMMITS_EACH}`];
  const writer = new WriterProcess({ directory, run: 'cut', seen: new Acknowledged(), flags, env: disk.env });
  expect(await writer.ended).toBe(0);
  changes = disk.changes();
  disk.close();
}, 60_000);
afterAll(() => rmSync(workspace, { recursive: true, force: true }));

/** What had been acknowledged: its file is the world outside of the disk, of which nothing is lost. */
function acknowledgedIn(part: readonly Change[]): Acknowledged {
  const seen = new Acknowledged();
  for (const change of part) {
    if (change.is !== 'write' || change.name !== NOTES) continue;
    for (const line of change.data.toString().trimEnd().split('\n')) seen.note(line);
  }
  return seen;
}

async function cutAt(count: number, unsynced: Unsynced): Promise<number> {
  const directory = mkdtempSync(join(workspace, 'cut-'));
  const random = seededRandom(count);
  try {
    putFiles(filesAfter(changes, count, unsynced, random), directory);
    const seen = acknowledgedIn(changes.slice(0, count));
    const store = await openSqliteStore({ directory, clock: systemClock });
    try {
      await seen.check(store);
    } finally {
      await store.close();
    }
    return seen.count;
  } catch (error) {
    throw new Error(`cut after ${count} of ${changes.length} changes, the unsynced ones ${unsynced}`, {
      cause: error,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test.each<Unsynced>(['kept', 'lost', 'mixed'])(
  'what no sync had confirmed is %s',
  async (unsynced) => {
    const step = Math.max(1, Math.floor(changes.length / CUTS));
    let acknowledged = 0;
    for (let count = 0; count <= changes.length; count += step) acknowledged = await cutAt(count, unsynced);
    expect(acknowledged).toBeGreaterThan(0);
  },
  1_800_000,
);

test('a commit that is acknowledged before its sync would be missed', async () => {
  // The same run, on a disk whose syncs did nothing.
  const honest = changes;
  changes = changes.filter((change) => change.is !== 'sync');
  try {
    await expect(cutAt(changes.length, 'lost')).rejects.toThrow(/cut after/);
  } finally {
    changes = honest;
  }
});
