import {
  isQuantity,
  quantityMilli,
  quantityOf,
  quantityOfMilli,
  quantityValue,
} from '#machinery/values/quantity.ts';
import { type EvictionSettings, unitsOf } from '../eviction/thresholds.ts';
import type { Machine } from './machine.ts';

/** What can be kept for something else than pods. Source: Kubernetes, --system-reserved and --kube-reserved. */
export const RESERVABLE = ['cpu', 'memory', 'ephemeral-storage', 'pid'] as const;
export type Reservable = (typeof RESERVABLE)[number];

/** Milli-cores, bytes and processes. */
export type Reserved = Partial<Record<Reservable, number>>;

/** What all pods of a node may have together. */
export interface Allocatable {
  cpuMilli: number;
  memoryBytes: number;
  storageBytes: number;
  pids: number;
}

/** More is reserved than there is. */
export class ReservationError extends Error {}

/** `cpu=500m,memory=1Gi,ephemeral-storage=10Gi,pid=1000`. Throws RangeError with what is wrong. */
export function parseReserved(text: string): Reserved {
  const reserved: Reserved = {};
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [name = '', quantity = '', ...rest] = part.split('=').map((one) => one.trim());
    const resource = RESERVABLE.find((one) => one === name);
    if (!resource) throw new RangeError(`${JSON.stringify(name)} is none of ${RESERVABLE.join(', ')}`);
    if (resource in reserved) throw new RangeError(`${resource} is named twice`);
    if (rest.length > 0 || !isQuantity(quantity))
      throw new RangeError(`${JSON.stringify(part.trim())} is no amount: write it as ${resource}=1`);
    const amount = resource === 'cpu' ? quantityMilli(quantity) : quantityValue(quantity);
    if (amount < 0) throw new RangeError(`${resource} must not be negative`);
    reserved[resource] = amount;
  }
  return reserved;
}

/** The text that is parsed to the same. */
export function reservedText(reserved: Reserved): string {
  const text = (name: string, amount: number) =>
    name === 'cpu' ? quantityOfMilli(amount) : quantityOf(amount);
  return Object.entries(reserved)
    .map(([name, amount]) => `${name}=${text(name, amount)}`)
    .join(',');
}

/**
 * Capacity less what is reserved, and less what must stay free so that nothing is evicted. Source: Kubernetes documentation, "Reserve
 * Compute Resources for System Daemons". Throws ReservationError when nothing would be left.
 */
export function allocatableOf(
  machine: Pick<Machine, 'cpus' | 'memoryBytes' | 'storageBytes' | 'pids'>,
  reservations: readonly Reserved[],
  { hard }: Pick<EvictionSettings, 'hard'>,
): Allocatable {
  const sum = (name: Reservable) =>
    reservations.reduce((total, reserved) => total + (reserved[name] ?? 0), 0);
  const left = (name: Reservable, capacity: number, threshold: number) => {
    const rest = capacity - sum(name) - threshold;
    if (rest > 0) return rest;
    const kept = threshold > 0 ? ` and ${threshold} to stay free` : '';
    const unit = name === 'cpu' ? ' thousandths' : '';
    throw new ReservationError(
      `no ${name} is left for pods: of ${capacity}${unit} there are ${sum(name)} reserved${kept}`,
    );
  };
  return {
    cpuMilli: left('cpu', machine.cpus * 1000, 0),
    memoryBytes: left('memory', machine.memoryBytes, unitsOf(hard['memory.available'], machine.memoryBytes)),
    storageBytes: left(
      'ephemeral-storage',
      machine.storageBytes,
      unitsOf(hard['nodefs.available'], machine.storageBytes),
    ),
    pids: left('pid', machine.pids, 0),
  };
}
