import { describe, expect, test } from 'vitest';
import { DEFAULT_EVICTION } from '../eviction/thresholds.ts';
import { allocatableOf, parseReserved, ReservationError, reservedText } from './reservation.ts';

const MI = 2 ** 20;
const GI = 2 ** 30;

describe('what is reserved', () => {
  test('is read as users of the kubelet write it, and written the same', () => {
    const reserved = parseReserved('cpu=500m, memory=1Gi,ephemeral-storage=2Gi,pid=1000');
    expect(reserved).toEqual({ cpu: 500, memory: GI, 'ephemeral-storage': 2 * GI, pid: 1000 });
    expect(parseReserved(reservedText(reserved))).toEqual(reserved);
    expect([parseReserved(''), reservedText({})]).toEqual([{}, '']);
  });

  test.each([
    ['disk=1Gi', '"disk" is none of cpu, memory, ephemeral-storage, pid'],
    ['memory', '"memory" is no amount: write it as memory=1'],
    ['memory=lots', '"memory=lots" is no amount: write it as memory=1'],
    ['memory=1=2', '"memory=1=2" is no amount: write it as memory=1'],
    ['cpu=-1', 'cpu must not be negative'],
    ['cpu=1,cpu=2', 'cpu is named twice'],
  ])('is refused when it is wrong: %s', (text, why) => {
    expect(() => parseReserved(text)).toThrow(new RangeError(why));
  });
});

describe('what pods may have', () => {
  const machine = { cpus: 4, memoryBytes: 8 * GI, storageBytes: 100 * GI, pids: 32_768 };

  test('is what there is, less what is reserved and what must stay free', () => {
    const reservations = [
      { cpu: 500, memory: GI, pid: 1_000 },
      { cpu: 250, 'ephemeral-storage': 5 * GI },
    ];
    expect(allocatableOf(machine, reservations, DEFAULT_EVICTION)).toEqual({
      cpuMilli: 3_250,
      memoryBytes: 7 * GI - 100 * MI,
      storageBytes: 85 * GI,
      pids: 31_768,
    });
  });

  test.each([
    [{ cpu: 4_000 }, 'no cpu is left for pods: of 4000 thousandths there are 4000 reserved'],
    [{ pid: 40_000 }, 'no pid is left for pods: of 32768 there are 40000 reserved'],
    [
      { memory: 8 * GI - 100 * MI },
      'no memory is left for pods: of 8589934592 there are 8485076992 reserved and 104857600 to stay free',
    ],
  ])('is never nothing: %j', (reserved, why) => {
    expect(() => allocatableOf(machine, [reserved], DEFAULT_EVICTION)).toThrow(new ReservationError(why));
  });
});
