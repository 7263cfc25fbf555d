import { expect, test } from 'vitest';
import { sleep } from '#machinery/clock.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { atPace, TooSlowError } from './pace.ts';

const PACE = { windowMs: 1000, minBytes: 100 };

/** Pieces of so many bytes, each after so many ms; then for ever nothing unless it ends. */
async function* source(clock: VirtualClock, pieces: [bytes: number, afterMs: number][], ends = true) {
  for (const [bytes, afterMs] of pieces) {
    await sleep(clock, afterMs);
    yield new Uint8Array(bytes);
  }
  if (!ends) await new Promise(() => undefined);
}

async function read(pieces: [number, number][], ends = true, takerMs = 0) {
  const clock = new VirtualClock();
  let bytes = 0;
  const reading = (async () => {
    for await (const piece of atPace(source(clock, pieces, ends), PACE, clock)) {
      bytes += piece.length;
      if (takerMs > 0) await sleep(clock, takerMs);
    }
    return bytes;
  })();
  const settled = reading.catch((error) => `${error.name} after ${bytes}`);
  await clock.advance(60_000);
  return settled;
}

test.each<[string, Parameters<typeof read>, number | string]>([
  ['enough in each window passes', [Array.from({ length: 50 }, () => [25, 200])], 1250],
  ['less than that does not', [Array.from({ length: 50 }, () => [10, 200])], 'TooSlowError after 50'],
  ['nothing at all does not', [[], false], 'TooSlowError after 0'],
  ['much, and then nothing, does not', [[[5000, 10]], false], 'TooSlowError after 5000'],
  ['a blob that is small may end early', [[[1, 10]]], 1],
  [
    'who takes the bytes may be slow',
    [
      [
        [10, 1],
        [10, 1],
        [10, 1],
      ],
      true,
      5000,
    ],
    30,
  ],
])('%s', async (_, args, expected) => {
  expect(await read(...args)).toBe(expected);
});

test('what the source fails with is told', async () => {
  const failing = (async function* (): AsyncGenerator<Uint8Array> {
    yield* await Promise.reject<Uint8Array[]>(new Error('cut'));
  })();
  const read = atPace(failing, PACE, new VirtualClock());
  await expect(read.next()).rejects.toThrow('cut');
  expect(new TooSlowError('').name).toBe('TooSlowError');
});
