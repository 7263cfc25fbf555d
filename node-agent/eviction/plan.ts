import {
  type Amount,
  type EvictionSettings,
  type Reading,
  type Readings,
  SIGNALS,
  type Signal,
  unitsOf,
} from './thresholds.ts';

export type Pressure = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** What a pod is said to have taken too much of, as the kubelet names it. */
export type Starved = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

const OF_SIGNAL: Record<Signal, { pressure: Pressure; starved: Starved }> = {
  'memory.available': { pressure: 'MemoryPressure', starved: 'memory' },
  'nodefs.available': { pressure: 'DiskPressure', starved: 'ephemeral-storage' },
  'nodefs.inodesFree': { pressure: 'DiskPressure', starved: 'inodes' },
  'imagefs.available': { pressure: 'DiskPressure', starved: 'ephemeral-storage' },
  'imagefs.inodesFree': { pressure: 'DiskPressure', starved: 'inodes' },
  'pid.available': { pressure: 'PIDPressure', starved: 'pids' },
};

/** What is remembered from one look to the next. */
export interface PressureState {
  /** Since when each threshold has been met, ms since the epoch. */
  met: Readonly<Record<string, number>>;
  /** When each condition was last true, ms since the epoch. */
  seenAt: Partial<Record<Pressure, number>>;
}

export const NO_PRESSURE: PressureState = { met: {}, seenAt: {} };

/** A signal that is below its threshold, and has been for as long as that says. */
export interface Shortage {
  signal: Signal;
  starved: Starved;
  threshold: Amount;
  /** Pods have time to end. */
  soft: boolean;
  reading: Reading;
}

interface Threshold {
  signal: Signal;
  amount: Amount;
  soft: boolean;
  graceMs: number;
}

/** In the order in which they are seen to: memory first, and of a signal the hard one. */
function thresholdsOf({ hard, soft }: EvictionSettings): Threshold[] {
  return SIGNALS.flatMap((signal): Threshold[] => {
    const [sharp, gentle] = [hard[signal], soft[signal]];
    return [
      ...(sharp ? [{ signal, amount: sharp, soft: false, graceMs: 0 }] : []),
      ...(gentle ? [{ signal, ...gentle, soft: true }] : []),
    ];
  });
}

const keyOf = ({ signal, soft }: Pick<Threshold, 'signal' | 'soft'>) => (soft ? `soft ${signal}` : signal);

export interface Judged {
  state: PressureState;
  /** The conditions of the node, also those that were true lately. */
  pressure: ReadonlySet<Pressure>;
  /** What has to be reclaimed, memory first. */
  shortages: Shortage[];
}

/**
 * What the node is short of. A threshold that was met stays so until as much more as is asked for is free; a condition holds from the first look
 * on that finds one met, a soft one too, and stays for a while, so that a node does not go to and fro. Source: Kubernetes documentation,
 * "Node-pressure Eviction"; kubelet, eviction manager.
 */
export function judge(
  readings: Readings,
  settings: EvictionSettings,
  before: PressureState,
  nowMs: number,
): Judged {
  const met: Record<string, number> = {};
  const seenAt = { ...before.seenAt };
  const shortages: Shortage[] = [];
  for (const threshold of thresholdsOf(settings)) {
    const { signal, amount, soft, graceMs } = threshold;
    const reading = readings[signal];
    const key = keyOf(threshold);
    if (!reading || !isMet(reading, threshold, settings, key in before.met)) continue;
    const since = before.met[key] ?? nowMs;
    met[key] = since;
    seenAt[OF_SIGNAL[signal].pressure] = nowMs;
    if (nowMs - since >= graceMs)
      shortages.push({ signal, starved: OF_SIGNAL[signal].starved, threshold: amount, soft, reading });
  }
  const lately = (Object.keys(seenAt) as Pressure[]).filter(
    (pressure) => nowMs - seenAt[pressure]! < settings.transitionMs || seenAt[pressure] === nowMs,
  );
  return { state: { met, seenAt }, pressure: new Set(lately), shortages };
}

function isMet(
  { available, capacity }: Reading,
  { signal, amount }: Threshold,
  { minimumReclaim }: EvictionSettings,
  wasMet: boolean,
): boolean {
  const reclaim = wasMet ? unitsOf(minimumReclaim[signal], capacity) : 0;
  return available < unitsOf(amount, capacity) + reclaim;
}

/** What a pod uses and has asked for: bytes, bytes or inodes, processes. Undefined = it could not be told. */
export interface PodUse {
  uid: string;
  priority: number;
  /** Priority of system-cluster-critical and above, which are never evicted. */
  critical: boolean;
  usage: Partial<Record<Starved, number>>;
  requests: Partial<Record<Starved, number>>;
}

/**
 * The pod to evict next: first who uses more than it asked for, then who matters least, then who is furthest above its request. Of
 * processes nobody asks for any: priority, then number. Source: Kubernetes documentation, "Node-pressure Eviction", pod selection.
 */
export function victimOf<P extends PodUse>(starved: Starved, pods: readonly P[]): P | undefined {
  const over = ({ usage, requests }: PodUse) => (usage[starved] ?? 0) - (requests[starved] ?? 0);
  const exceeds = (pod: PodUse) =>
    starved === 'pids' ? 0 : pod.usage[starved] === undefined || over(pod) > 0 ? 1 : 0;
  const unknown = (pod: PodUse) => (pod.usage[starved] === undefined ? 1 : 0);
  return pods
    .filter(({ critical }) => !critical)
    .toSorted(
      (a, b) =>
        exceeds(b) - exceeds(a) ||
        a.priority - b.priority ||
        unknown(b) - unknown(a) ||
        over(b) - over(a) ||
        (a.uid < b.uid ? -1 : 1),
    )[0];
}
