import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { movedFrom, systemAddresses } from './own-address.ts';

test('a machine has moved when its address is gone and another one stays in its place', async () => {
  const clock = new VirtualClock();
  let now: string[] = ['10.0.0.1'];
  const addresses = { has: (one: string) => now.includes(one), current: () => now[0] };
  let moved: string | undefined;
  const over = new AbortController();
  void movedFrom('10.0.0.1', addresses, clock, over.signal).then((next) => {
    moved = next;
  });
  const looks = async (...states: string[][]) => {
    for (const state of states) {
      now = state;
      await clock.advance(5_000);
    }
    return moved;
  };
  expect(await looks(['10.0.0.1'], ['10.0.0.2', '10.0.0.1'], [], [])).toBeUndefined();
  expect(await looks(['10.0.0.2'], [], ['10.0.0.3'], ['10.0.0.2'])).toBeUndefined();
  expect(await looks(['10.0.0.1'], ['10.0.0.2'], ['10.0.0.2'])).toBe('10.0.0.2');
});

test('it ends with its signal', async () => {
  const over = new AbortController();
  const waiting = movedFrom('127.0.0.1', systemAddresses('none'), new VirtualClock(), over.signal);
  over.abort();
  await expect(waiting).rejects.toBeDefined();
});
