import { formatGoDuration, parseGoDuration } from '#machinery/values/duration.ts';
import { isQuantity, quantityValue } from '#machinery/values/quantity.ts';

/** What runs short on a node. Source: Kubernetes documentation, "Node-pressure Eviction". */
export const SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const;
export type Signal = (typeof SIGNALS)[number];

/** Bytes, inodes or processes. */
export interface Reading {
  available: number;
  capacity: number;
}

/** A signal that cannot be read (a file system without a count of inodes) is left out. Images lie where everything else does. */
export type Readings = Partial<Record<Signal, Reading>>;

/** Units of the signal, or a share of its capacity. */
export type Amount = { units: number } | { percent: number };

export interface SoftThreshold {
  amount: Amount;
  /** How long it must be met before pods are evicted, in milliseconds. */
  graceMs: number;
}

export interface EvictionSettings {
  /** Below it pods are evicted at once. */
  hard: Partial<Record<Signal, Amount>>;
  /** Once it has been below it for a while, pods are evicted with time to end. */
  soft: Partial<Record<Signal, SoftThreshold>>;
  /** The most that a pod has to end then, in milliseconds; undefined = as long as the pod itself says. */
  maxPodGraceMs?: number | undefined;
  /** How much more than the threshold must be free again before it is over. */
  minimumReclaim: Partial<Record<Signal, Amount>>;
  /** How long a condition stays after it was last true, in milliseconds. */
  transitionMs: number;
}

const MI = 1024 * 1024;

/** Source: Kubernetes, --eviction-hard and --eviction-pressure-transition-period; that of pids is ours. */
export const DEFAULT_EVICTION: EvictionSettings = {
  hard: {
    'memory.available': { units: 100 * MI },
    'nodefs.available': { percent: 10 },
    'nodefs.inodesFree': { percent: 5 },
    'pid.available': { percent: 10 },
  },
  soft: {},
  minimumReclaim: {},
  transitionMs: 5 * 60_000,
};

/** The amount in units of the signal, rounded as the kubelet does. */
export function unitsOf(amount: Amount | undefined, capacity: number): number {
  if (amount === undefined) return 0;
  return 'units' in amount ? amount.units : Math.floor((capacity * amount.percent) / 100);
}

/** `memory.available<1Gi,nodefs.available<10%`; other signals keep their defaults. Throws RangeError with what is wrong. */
export function parseThresholds(text: string): EvictionSettings['hard'] {
  return { ...DEFAULT_EVICTION.hard, ...parseAmounts(text, '<') };
}

/** `memory.available<300Mi,nodefs.available<15%`; there are no defaults. Throws RangeError with what is wrong. */
export function parseSoftThresholds(text: string): Partial<Record<Signal, Amount>> {
  return parseAmounts(text, '<');
}

/** `memory.available=1m30s`, in milliseconds. Throws RangeError with what is wrong. */
export function parseGracePeriods(text: string): Partial<Record<Signal, number>> {
  return parseSignals(text, '=', ['1m30s'], (value) => {
    const ms = parseGoDuration(value);
    return ms !== undefined && ms >= 0 ? ms : undefined;
  });
}

/** Each with its period. Throws RangeError when one has none, or a period has no threshold, as the kubelet does. */
export function softThresholds(
  amounts: Partial<Record<Signal, Amount>>,
  periods: Partial<Record<Signal, number>>,
): EvictionSettings['soft'] {
  const soft: EvictionSettings['soft'] = {};
  for (const signal of SIGNALS) {
    const [amount, graceMs] = [amounts[signal], periods[signal]];
    if (amount && graceMs === undefined)
      throw new RangeError(`grace period must be specified for the soft eviction threshold ${signal}`);
    if (!amount && graceMs !== undefined)
      throw new RangeError(`there is no soft eviction threshold for the grace period of ${signal}`);
    if (amount && graceMs !== undefined) soft[signal] = { amount, graceMs };
  }
  return soft;
}

/** `memory.available=500Mi,nodefs.available=2%`. Throws RangeError with what is wrong. */
export function parseReclaims(text: string): EvictionSettings['minimumReclaim'] {
  return parseAmounts(text, '=');
}

/** The text that is parsed to the same amounts. */
export function amountsText(amounts: Partial<Record<Signal, Amount>>, operator: '<' | '='): string {
  const text = (amount: Amount) => ('units' in amount ? String(amount.units) : `${amount.percent}%`);
  return Object.entries(amounts)
    .map(([signal, amount]) => `${signal}${operator}${text(amount)}`)
    .join(',');
}

/** The text that is parsed to the same periods. */
export function periodsText(periods: Partial<Record<Signal, number>>): string {
  return Object.entries(periods)
    .map(([signal, ms]) => `${signal}=${formatGoDuration(ms)}`)
    .join(',');
}

function parseAmounts(text: string, operator: '<' | '='): Partial<Record<Signal, Amount>> {
  return parseSignals(text, operator, ['10%', '100Mi'], parseAmount);
}

function parseSignals<T>(
  text: string,
  operator: '<' | '=',
  examples: readonly string[],
  parse: (value: string) => T | undefined,
): Partial<Record<Signal, T>> {
  const values: Partial<Record<Signal, T>> = {};
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [name = '', value = '', ...rest] = part.split(operator).map((one) => one.trim());
    const signal = SIGNALS.find((one) => one === name);
    if (!signal) throw new RangeError(`${JSON.stringify(name)} is none of ${SIGNALS.join(', ')}`);
    if (signal in values) throw new RangeError(`${signal} is named twice`);
    const parsed = rest.length === 0 ? parse(value) : undefined;
    if (parsed === undefined) {
      const forms = examples.map((example) => `${signal}${operator}${example}`);
      throw new RangeError(`${JSON.stringify(part.trim())}: write it as ${forms.join(' or ')}`);
    }
    values[signal] = parsed;
  }
  return values;
}

function parseAmount(text: string): Amount | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return Number(percent) <= 100 ? { percent: Number(percent) } : undefined;
  if (!isQuantity(text)) return undefined;
  const units = quantityValue(text);
  return units >= 0 ? { units } : undefined;
}
