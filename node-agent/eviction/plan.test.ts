import { describe, expect, test } from 'vitest';
import { judge, NO_PRESSURE, type PodUse, victimOf } from './plan.ts';
import {
  amountsText,
  DEFAULT_EVICTION,
  parseReclaims,
  parseThresholds,
  type Readings,
} from './thresholds.ts';

const MI = 2 ** 20;
const GI = 2 ** 30;
const NOW = Date.UTC(2026, 0, 1);
const WELL: Readings = {
  'memory.available': { available: GI, capacity: 4 * GI },
  'nodefs.available': { available: 50 * GI, capacity: 100 * GI },
  'nodefs.inodesFree': { available: 900, capacity: 1_000 },
  'pid.available': { available: 900, capacity: 1_000 },
};
const of = (readings: Readings, before = NO_PRESSURE, nowMs = NOW, settings = DEFAULT_EVICTION) =>
  judge({ ...WELL, ...readings }, settings, before, nowMs);
const low = (available: number): Readings => ({ 'memory.available': { available, capacity: 4 * GI } });

describe('thresholds', () => {
  test('are read as users of the kubelet write them; what is not named stays', () => {
    expect(parseThresholds('memory.available<1Gi, nodefs.available<2.5%')).toEqual({
      ...DEFAULT_EVICTION.hard,
      'memory.available': { units: GI },
      'nodefs.available': { percent: 2.5 },
    });
    expect(parseThresholds(amountsText(DEFAULT_EVICTION.hard, '<'))).toEqual(DEFAULT_EVICTION.hard);
    expect(parseReclaims('nodefs.available=500Mi')).toEqual({ 'nodefs.available': { units: 500 * MI } });
  });

  test.each([
    ['disk<1Gi', '"disk" is none of memory.available, nodefs.available,'],
    ['memory.available', 'write it as memory.available<10% or memory.available<100Mi'],
    ['memory.available<-1', 'write it as'],
    ['memory.available<101%', 'write it as'],
    ['memory.available<1Gi,memory.available<2Gi', 'memory.available is named twice'],
  ])('are refused when they are wrong: %s', (text, why) => {
    expect(() => parseThresholds(text)).toThrow(why);
  });
});

describe('a node', () => {
  test.each<[string, Readings, string[]]>([
    ['has enough of everything', {}, []],
    ['has just what must be there', low(100 * MI), []],
    ['is short of memory', low(100 * MI - 1), ['MemoryPressure']],
    ['is short of disk', { 'nodefs.available': { available: 9 * GI, capacity: 100 * GI } }, ['DiskPressure']],
    ['is short of inodes', { 'nodefs.inodesFree': { available: 49, capacity: 1_000 } }, ['DiskPressure']],
    ['is short of processes', { 'pid.available': { available: 99, capacity: 1_000 } }, ['PIDPressure']],
    ['cannot count its inodes', { 'nodefs.inodesFree': undefined as never }, []],
  ])('%s', (_, readings, expected) => {
    expect([...of(readings).pressure]).toEqual(expected);
  });

  test('has a condition for a while after it was last true, and then no more', () => {
    const short = of(low(MI));
    const soon = of({}, short.state, NOW + 299_999);
    expect([[...soon.pressure], soon.shortages]).toEqual([['MemoryPressure'], []]);
    expect([...of({}, soon.state, NOW + 300_000).pressure]).toEqual([]);
    const again = of(low(MI), soon.state, NOW + 299_999);
    expect([...of({}, again.state, NOW + 500_000).pressure]).toEqual(['MemoryPressure']);
  });

  test('is short until as much more is free as was asked for', () => {
    const settings = { ...DEFAULT_EVICTION, minimumReclaim: parseReclaims('memory.available=400Mi') };
    expect(of(low(200 * MI), NO_PRESSURE, NOW, settings).shortages).toEqual([]);
    const { state } = of(low(MI), NO_PRESSURE, NOW, settings);
    expect(of(low(499 * MI), state, NOW, settings).shortages).toHaveLength(1);
    expect(of(low(500 * MI), state, NOW, settings).shortages).toEqual([]);
  });

  describe('with a soft threshold', () => {
    const soft = { 'memory.available': { amount: { units: 300 * MI }, graceMs: 90_000 } };
    const settings = { ...DEFAULT_EVICTION, soft };
    const at = (available: number, before = NO_PRESSURE, ms = 0) =>
      of(low(available), before, NOW + ms, settings);

    test('is under pressure at once, and short of it only after the grace period', () => {
      const first = at(299 * MI);
      expect([[...first.pressure], first.shortages]).toEqual([['MemoryPressure'], []]);
      const before = at(299 * MI, first.state, 89_999);
      expect(before.shortages).toEqual([]);
      expect(at(299 * MI, before.state, 90_000).shortages).toMatchObject([{ soft: true, starved: 'memory' }]);
    });

    test('counts anew once there was enough', () => {
      const well = at(300 * MI, at(299 * MI).state, 80_000);
      expect(at(299 * MI, well.state, 100_000).shortages).toEqual([]);
    });

    test('sees to the hard one first, which waits for nothing', () => {
      expect(at(99 * MI).shortages).toMatchObject([{ soft: false }]);
      expect(at(99 * MI, at(299 * MI).state, 90_000).shortages).toMatchObject([
        { soft: false },
        { soft: true },
      ]);
    });
  });

  test('sees to memory first', () => {
    const both = { ...low(MI), 'pid.available': { available: 1, capacity: 1_000 } };
    expect(of(both).shortages.map(({ starved }) => starved)).toEqual(['memory', 'pids']);
  });
});

describe('the pod to evict', () => {
  const use = (uid: string, memory: number | undefined, requested: number, priority = 0): PodUse => ({
    ...{ uid, priority, critical: false, requests: { memory: requested } },
    usage: memory === undefined ? {} : { memory, pids: memory },
  });
  const first = (...pods: PodUse[]) => victimOf('memory', pods)?.uid;

  test.each([
    ['is above its request before those that are not', [use('a', 900, 1_000), use('b', 11, 10)], 'b'],
    ['even when it matters more', [use('a', 900, 1_000), use('b', 11, 10, 100)], 'b'],
    ['matters less than the others', [use('a', 100, 0, 10), use('b', 20, 0, 1)], 'b'],
    ['is furthest above its request', [use('a', 1_000, 900), use('b', 300, 10)], 'b'],
    ['is the largest below it when none is above', [use('a', 10, 100), use('b', 90, 100)], 'b'],
    ['is one that cannot be measured, before its equals', [use('a', 500, 0), use('b', undefined, 0)], 'b'],
    ['is always the same of two equals', [use('b', 5, 0), use('a', 5, 0)], 'a'],
  ])('%s', (_, pods, expected) => expect(first(...pods)).toBe(expected));

  test('is none of those that keep the cluster going', () => {
    expect(first({ ...use('a', 900, 0), critical: true })).toBeUndefined();
  });

  test('of processes is the one that matters least, then the one that has most', () => {
    const pods = [use('a', 500, 0, 5), use('b', 10, 1_000), use('c', 20, 1_000)];
    expect(victimOf('pids', pods)?.uid).toBe('c');
  });
});
