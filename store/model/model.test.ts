import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { Store } from '../contract.ts';
import { MemoryStore } from '../memory/index.ts';
import { checkStore, ModelCheckError } from './check.ts';
import { PLANTED } from './planted.ts';

const STEPS = process.env['GANTRY_FULL'] ? 1_000_000 : 100_000;

const memory =
  (wrap: (store: Store) => Store = (store) => store) =>
  async () => {
    const clock = new VirtualClock();
    const store = wrap(new MemoryStore({ clock }));
    return { store, clock, patience: 20, close: () => store.close() };
  };

test(`${STEPS} random steps of many clients on the memory store`, async () => {
  await checkStore({ seed: 1, steps: STEPS, open: memory() });
}, 600_000);

test.each(Object.entries(PLANTED))(
  '%s is found, and shown by few steps',
  async (_, plant) => {
    const found = await checkStore({ seed: 2, steps: 20_000, open: memory(plant) }).catch((error) => error);
    expect(found).toBeInstanceOf(ModelCheckError);
    expect(found.message).toMatch(/^seed 2: /);
    expect(found.transcript.length).toBeLessThan(80);
  },
  60_000,
);
