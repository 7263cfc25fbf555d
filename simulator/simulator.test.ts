import { describe, expect, it } from 'vitest';
import type { VirtualClock } from '#machinery/clock-virtual.ts';
import { planFor, shrink, simulate, transcript } from './run.ts';
import { SqliteWithoutThread } from './sqlite-store.ts';

const SEEDS = process.env['GANTRY_FULL'] ? 1_000 : 20;
const STEPS = 60;

describe('a whole cluster under faults', () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
    'comes to rest as it was asked to, seed %i',
    async (seed) => {
      const outcome = await simulate(seed, planFor(seed, STEPS));
      if (outcome.fault) throw new Error(transcript(await shrink(outcome)));
    },
  );

  it.each([101, 102])('comes to rest on the embedded store too, seed %i', async (seed) => {
    const store = (clock: VirtualClock) => new SqliteWithoutThread(clock);
    const outcome = await simulate(seed, planFor(seed, STEPS), { store });
    if (outcome.fault) throw new Error(transcript(await shrink(outcome, { store })));
    // It holds what the store in memory does with the same seed.
    expect(outcome.hash).toBe((await simulate(seed, planFor(seed, STEPS))).hash);
  });

  it('is the same run for the same seed, and another one for another', async () => {
    const [first, again, other] = [
      await simulate(7, planFor(7, STEPS)),
      await simulate(7, planFor(7, STEPS)),
      await simulate(8, planFor(8, STEPS)),
    ];
    expect(again.hash).toBe(first.hash);
    expect(again.revisions).toBe(first.revisions);
    expect(other.hash).not.toBe(first.hash);
  });
});
