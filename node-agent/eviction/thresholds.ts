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

export interface EvictionSettings {
  /** Below it pods are evicted at once. */
  hard: Partial<Record<Signal, Amount>>;
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

function parseAmounts(text: string, operator: '<' | '='): Partial<Record<Signal, Amount>> {
  const amounts: Partial<Record<Signal, Amount>> = {};
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [name = '', value = '', ...rest] = part.split(operator).map((one) => one.trim());
    const signal = SIGNALS.find((one) => one === name);
    if (!signal) throw new RangeError(`${JSON.stringify(name)} is none of ${SIGNALS.join(', ')}`);
    if (signal in amounts) throw new RangeError(`${signal} is named twice`);
    const amount = rest.length === 0 ? parseAmount(value) : undefined;
    if (!amount)
      throw new RangeError(
        `${JSON.stringify(part.trim())}: write it as ${signal}${operator}10% or ${signal}${operator}100Mi`,
      );
    amounts[signal] = amount;
  }
  return amounts;
}

function parseAmount(text: string): Amount | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return Number(percent) <= 100 ? { percent: Number(percent) } : undefined;
  if (!isQuantity(text)) return undefined;
  const units = quantityValue(text);
  return units >= 0 ? { units } : undefined;
}
