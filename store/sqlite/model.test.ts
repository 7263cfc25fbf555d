import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { checkStore } from '../model/check.ts';
import { openSqliteStore } from './index.ts';

/** Fewer than in memory: each commit waits for the disk. */
const STEPS = process.env['GANTRY_FULL'] ? 200_000 : 5_000;

/** Turns of the event loop to wait for the worker; used up only when it does not answer. */
const PATIENCE = 200_000;

test(`${STEPS} random steps of many clients on the embedded store`, async () => {
  await checkStore({
    seed: 3,
    steps: STEPS,
    async open() {
      const directory = mkdtempSync(join(tmpdir(), 'gantry-store-model-'));
      const clock = new VirtualClock();
      const store = await openSqliteStore({ directory, clock });
      const close = async () => {
        await store.close();
        rmSync(directory, { recursive: true, force: true });
      };
      return { store, clock, patience: PATIENCE, close };
    },
  });
}, 300_000);
