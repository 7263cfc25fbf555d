import { expect, test } from 'vitest';
import { availability, faultRows, gapsOf, percentile, type Timed, table } from './report.ts';
import type { Event } from './schedule.ts';

const record = (t: number, writer = 'w1', ok = true): Timed => ({
  ...{ op: 'record', t, writer, n: t, ok, ms: 1, via: 'http://192.0.2.11' },
});
const LINES = [
  ...[
    record(0),
    record(100),
    record(150, 'w2'),
    record(900, 'w1', false),
    record(2_100),
    record(2_150, 'w2'),
  ],
  ...[record(2_200), record(2_900), record(2_950, 'w2')],
];
const EVENTS: Event[] = [
  { atMs: 1_000, fault: { kind: 'kill', host: 'h1', role: 'agent' } },
  { atMs: 20_000, fault: { kind: 'pause', host: 'h1', forMs: 1_000 } },
];

test('a gap is a writer’s own', () => {
  expect(gapsOf(LINES, 'record')).toEqual([
    { fromMs: 100, ms: 2_000 },
    { fromMs: 150, ms: 2_000 },
    { fromMs: 2_200, ms: 700 },
    { fromMs: 2_150, ms: 800 },
  ]);
  expect(gapsOf(LINES, 'create')).toEqual([]);
  expect(availability(LINES, 'record')).toEqual({
    ...{ acknowledged: 8, failed: 1, gaps: 4, p50: 800, p99: 2_000, longest: 2_000 },
  });
});

test('a fault has the gaps that touch it', () => {
  const none = { p50: 0, longest: 0 };
  expect(faultRows(EVENTS, 0, LINES)).toEqual([
    { kind: 'kill', count: 1, records: { p50: 2_000, longest: 2_000 }, writes: none },
    { kind: 'pause', count: 1, records: none, writes: none },
  ]);
});

test('percentiles are of what was measured', () => {
  expect([0.5, 0.99, 1].map((share) => percentile([5, 1, 3, 2, 4], share))).toEqual([3, 5, 5]);
  expect(percentile([], 0.5)).toBe(0);
});

test('the table', () => {
  const totals = { records: availability(LINES, 'record'), writes: availability(LINES, 'create') };
  expect(
    table(faultRows(EVENTS, 0, LINES), totals),
  ).toBe(`Longest gap between two acknowledgements to a writer, from a fault until 5 s after it:
       faults  records p50  longest  writes p50  longest
kill        1      2000 ms  2000 ms        0 ms     0 ms
pause       1         0 ms     0 ms        0 ms     0 ms
records: 8 acknowledged, 1 attempts failed; 4 gaps of 500 ms or more: p50 800 ms, p99 2000 ms, longest 2000 ms
writes of objects: 0 acknowledged, 0 attempts failed; 0 gaps of 500 ms or more: p50 0 ms, p99 0 ms, longest 0 ms`);
});
