import { networkInterfaces } from 'node:os';
import { type Clock, sleep } from '#machinery/clock.ts';
import { nodeAddress } from './addresses.ts';

const LOOK_EVERY_MS = 5_000;

/** What the machine says of itself. */
export interface OwnAddresses {
  has(address: string): boolean;
  /** The one by which others are to reach it. */
  current(): string | undefined;
}

/** `ownBridge`: of pods, whose address is not the machine's. */
export function systemAddresses(ownBridge: string): OwnAddresses {
  return {
    has: (address) =>
      Object.values(networkInterfaces()).some((each) => each?.some((one) => one.address === address)),
    current: () => nodeAddress(ownBridge),
  };
}

/**
 * The machine's new address, once it no longer has `address` and two looks have found the same other one in its place: between two leases, or
 * while a link is down, there is none. Never resolves while it stays; rejects when `signal` aborts.
 */
export async function movedFrom(
  address: string,
  addresses: OwnAddresses,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  for (let found: string | undefined; ; ) {
    await sleep(clock, LOOK_EVERY_MS, signal);
    const next = addresses.has(address) ? undefined : addresses.current();
    if (next !== undefined && next === found) return next;
    found = next;
  }
}
