import { describe, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { Transport } from '#machinery/transport.ts';
import { isSkewed, offsetBy, ServerClock } from './server-clock.ts';

const NOW = Date.UTC(2026, 0, 1);
const dated = (ms: number) => new Date(ms).toUTCString();

describe('an answer', () => {
  test.each([
    ['of the same second', dated(NOW), NOW, 0, { offsetMs: -500, errorMs: 500 }],
    ['on its way for a second', dated(NOW), NOW, 1_000, { offsetMs: 0, errorMs: 1_000 }],
    ['of an hour ago', dated(NOW - 3_600_000), NOW + 500, 0, { offsetMs: 3_600_000, errorMs: 500 }],
    ['without a date', undefined, NOW, 0, undefined],
    ['with a date that is none', 'soon', NOW, 0, undefined],
    ['that took too long to tell anything', dated(NOW), NOW, 2_001, undefined],
  ])('%s', (_, date, sentAt, tripMs, expected) => expect(offsetBy(date, sentAt, tripMs)).toEqual(expected));

  test.each([
    [5_500, 500, false],
    [5_501, 500, true],
    [-5_501, 500, true],
    [6_000, 1_500, false],
  ])('tells of a difference of %d ms, give or take %d: %s', (offsetMs, errorMs, expected) => {
    expect(isSkewed({ offsetMs, errorMs }, 5_000)).toBe(expected);
  });
});

test('clocks are compared at each answer, and a change is told once', async () => {
  const clock = new VirtualClock(NOW);
  let behindMs = 0;
  const transport: Transport = {
    request: async () => ({
      status: 200,
      headers: { date: dated(clock.now() - behindMs) },
      body: (async function* () {})(),
    }),
    upgrade: async () => {
      throw new Error('not asked for');
    },
  };
  const compared = new ServerClock(clock);
  let changes = 0;
  compared.onChange = () => changes++;
  const watched = compared.watching(transport);
  const ask = () => watched.request({ method: 'GET', path: '/', headers: {} });
  expect(compared.skewed).toBe(false);
  await ask();
  expect([compared.skewed, changes]).toEqual([false, 0]);
  behindMs = 60_000;
  await ask();
  await ask();
  expect([compared.skewed, changes, compared.offset!.offsetMs]).toEqual([true, 1, 59_500]);
  behindMs = 0;
  await ask();
  expect([compared.skewed, changes]).toEqual([false, 2]);
});
