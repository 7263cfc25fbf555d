/** However much is written, the files stay as large as what can be read of them, and the budget of history. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { openSqliteStore } from './index.ts';

const MIB = 1024 * 1024;
const KEYS = 1_000;
const WRITERS = 256;
const VALUE = Buffer.alloc(500, 'x');
/** The whole of it takes a few minutes. */
const [UPDATES, BUDGET_BYTES, LIMIT_BYTES] = process.env['GANTRY_FULL']
  ? [5_000_000, 32 * MIB, 64 * MIB]
  : [100_000, 8 * MIB, 32 * MIB];
/** How often the budget is looked after; the server does so once a minute. */
const COMPACT_EVERY = 10_000;

const directory = mkdtempSync(join(tmpdir(), 'gantry-bounded-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const sizeBytes = () =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

test(`${UPDATES} updates of ${KEYS} keys stay under ${LIMIT_BYTES / MIB} MiB`, async () => {
  const store = await openSqliteStore({ directory, clock: systemClock });
  let written = 0;
  let largest = 0;
  const write = async () => {
    while (written < UPDATES) {
      const key = `/${written++ % KEYS}`;
      await store.commit([{ op: 'put', key, value: VALUE }], { time: written, actor: 'test' });
      if (written % COMPACT_EVERY !== 0) continue;
      const revision = await store.revisionKeeping(BUDGET_BYTES);
      if (revision) await store.compact(revision);
      largest = Math.max(largest, sizeBytes());
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  expect(largest).toBeGreaterThan(BUDGET_BYTES);
  expect(largest).toBeLessThan(LIMIT_BYTES);
  // The budget is used, not only kept.
  const oldest = (await store.revisionKeeping(BUDGET_BYTES)) ?? 0;
  const { entries } = await store.list('/', { revision: oldest });
  expect(entries).toHaveLength(KEYS);
  await store.close();
}, 1_200_000);
