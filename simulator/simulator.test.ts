import { describe, expect, it } from 'vitest';
import { planFor, shrink, simulate, transcript } from './run.ts';

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
