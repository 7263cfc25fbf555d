import { expect, test } from 'vitest';
import { clockConformance } from './clock.conformance.ts';
import { orAfter, rfc3339, rfc3339Micro, sleep, systemClock } from './clock.ts';
import { VirtualClock } from './clock-virtual.ts';

clockConformance('the system clock', () => ({
  clock: systemClock,
  // Some longer: a timer of the same time that was set before has fired by then.
  pass: (ms) => sleep(systemClock, ms + 5),
}));

clockConformance('the virtual clock', () => {
  const clock = new VirtualClock();
  return { clock, pass: (ms) => clock.advance(ms) };
});

test('a virtual clock stands still until it is told to move, and says when its next timer is due', async () => {
  const clock = new VirtualClock(1000);
  clock.timer(50, () => {});
  expect([clock.now(), clock.monotonic(), clock.next]).toEqual([1000, 0, 1050]);
  await clock.advance(50);
  expect([clock.now(), clock.monotonic(), clock.next]).toEqual([1050, 50, undefined]);
});

test('a virtual clock shows each timer its own time', async () => {
  const clock = new VirtualClock(0);
  const seen: number[] = [];
  for (const delay of [30, 10, 20]) clock.timer(delay, () => seen.push(clock.now()));
  await clock.advance(100);
  expect(seen).toEqual([10, 20, 30]);
});

test('a pending timer of the system clock keeps no process alive', () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const timer = systemClock.timer(60_000, () => {});
  expect(timers()).toBe(before);
  timer.cancel();
});

test('work is waited for as long as it may take, and until the signal aborts', async () => {
  const clock = new VirtualClock();
  const never = new Promise<string>(() => {});
  expect(await orAfter(clock, 100, Promise.resolve('done'))).toBe('done');
  await expect(orAfter(clock, 100, Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(clock.next).toBeUndefined();
  const late = orAfter(clock, 100, never);
  await clock.advance(100);
  expect(await late).toBeUndefined();
  const stop = new AbortController();
  const given = orAfter(clock, 100, never, stop.signal);
  stop.abort();
  expect(await given).toBeUndefined();
  expect(await orAfter(clock, 100, never, stop.signal)).toBeUndefined();
});

test('times are written as Kubernetes writes them', () => {
  const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  expect(rfc3339(ms)).toBe('2026-01-02T03:04:05Z');
  expect(rfc3339Micro(ms)).toBe('2026-01-02T03:04:05.678000Z');
});
