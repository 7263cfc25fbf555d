/**
 * A process to be killed, or to be given a faulty disk: writes to the store in the directory it is given, several commits at
 * a time, and says on stdout what was acknowledged, a line `key revision text` each (`text` is `-` for a deletion), and
 * `failed NAME` for each commit that the store could not make. Flags after directory and run:
 *
 *   --go-on           tries again after a failure (else the writer ends)
 *   --note            also notes each acknowledgement in the directory, in the file `acknowledged`
 *   --compact         forgets history now and then
 *   --commits=N       ends after so many commits of each writer, and closes the store
 *   --watch           watches, and says `watch ended with NAME` when that ends by itself
 *   --tick            says `tick` every 50 ms, as long as its event loop turns
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { every, sleep, systemClock } from '#machinery/clock.ts';
import type { Op } from '../../contract.ts';
import { openSqliteStore } from '../index.ts';

const WRITERS = 8;
const KEYS_EACH = 5;
/** Large enough that a kill often falls into a write. */
const VALUE_BYTES = 600;
/** One in so many commits deletes. */
const DELETE_EVERY = 7;
const COMPACT_EVERY = 40;
/** How much of the past stays. */
const KEEP_REVISIONS = 60;
const PAUSE_MS = 5;
const TICK_MS = 50;

const [directory, run, ...flags] = process.argv.slice(2) as [string, string, ...string[]];
const has = (flag: string) => flags.includes(flag);
const commits = Number(
  flags.find((flag) => flag.startsWith('--commits='))?.slice(10) ?? Number.POSITIVE_INFINITY,
);

const store = await openSqliteStore({ directory, clock: systemClock });
const notes = has('--note') ? openSync(join(directory, 'acknowledged'), 'a+') : undefined;
let notedBytes = 0;
process.stdout.write('ready\n');
if (has('--tick'))
  every(systemClock, TICK_MS, new AbortController().signal, async () => {
    process.stdout.write('tick\n');
  });
if (has('--watch')) void watch();
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
await store.close().catch((error: Error) => process.stdout.write(`failed ${error.name}\n`));
process.exit(0);

function acknowledge(key: string, revision: number, text: string): void {
  const line = `${key} ${revision} ${text}\n`;
  process.stdout.write(line);
  if (notes !== undefined) notedBytes += writeSync(notes, line, notedBytes);
}

async function watch(): Promise<void> {
  try {
    for await (const _ of store.watch('/', undefined, new AbortController().signal, { previous: false }));
  } catch (error) {
    process.stdout.write(`watch ended with ${(error as Error).name}\n`);
  }
}

async function write(writer: number): Promise<void> {
  for (let i = 0; i < commits; i++) {
    const key = `/${writer}/${i % KEYS_EACH}`;
    const deletes = i % DELETE_EVERY === DELETE_EVERY - 1;
    const text = deletes ? '-' : `${run}.${writer}.${i}`;
    try {
      const result = await store.commit(deletes ? gone(key) : made(key, text), {
        time: systemClock.now(),
        actor: 'test',
      });
      if (result.ok) acknowledge(key, result.revision, text);
      if (result.ok && has('--compact') && i % COMPACT_EVERY === COMPACT_EVERY - 1)
        await store.compact(Math.max(0, result.revision - KEEP_REVISIONS));
    } catch (error) {
      process.stdout.write(`failed ${(error as Error).name}\n`);
      if (!has('--go-on')) return;
      await sleep(systemClock, PAUSE_MS);
    }
  }
}

/** A second key shows that a commit is there whole or not at all. */
function made(key: string, text: string): Op[] {
  const value = Buffer.from(text.padEnd(VALUE_BYTES, '.'));
  return [
    { op: 'put', key, value },
    { op: 'put', key: `${key}/twin`, value },
  ];
}

/** A deletion of what may not be there takes no revision, so it comes with a key that changes always. */
function gone(key: string): Op[] {
  return [
    { op: 'delete', key },
    { op: 'delete', key: `${key}/twin` },
    { op: 'put', key: '/deletions', value: Buffer.from(key) },
  ];
}
