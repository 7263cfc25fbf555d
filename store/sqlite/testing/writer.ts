/**
 * A process to be killed: writes to the store in the directory it is given, several commits at a time, and says on
 * stdout what was acknowledged, a line `key revision text` each; `failed NAME` when the store gives up.
 */
import { systemClock } from '#machinery/clock.ts';
import { openSqliteStore } from '../index.ts';

const WRITERS = 8;
const KEYS_EACH = 5;
/** Large enough that a kill often falls into a write. */
const VALUE_BYTES = 600;

const [directory, run] = process.argv.slice(2) as [string, string];
const store = await openSqliteStore({ directory, clock: systemClock });
process.stdout.write('ready\n');
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
process.exit(0);

async function write(writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = `/${writer}/${i % KEYS_EACH}`;
    const text = `${run}.${writer}.${i}`;
    const value = Buffer.from(text.padEnd(VALUE_BYTES, '.'));
    // A second key shows that a commit is there whole or not at all.
    const ops = [
      { op: 'put', key, value },
      { op: 'put', key: `${key}/twin`, value },
    ] as const;
    try {
      const result = await store.commit(ops, { time: systemClock.now(), actor: 'test' });
      if (result.ok) process.stdout.write(`${key} ${result.revision} ${text}\n`);
    } catch (error) {
      process.stdout.write(`failed ${(error as Error).name}\n`);
      return;
    }
  }
}
