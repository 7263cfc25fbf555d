import { InvalidCommitError } from '../commit.ts';
import { CompactedError, FutureRevisionError, StoreFailedError, StoreLockedError } from '../contract.ts';
import type { WireError } from './protocol.ts';

/** An error as data, for the way between threads. */
export function toWire(error: unknown): WireError {
  const { name, message } = error as Error;
  const wire: WireError = { name, message };
  if (error instanceof CompactedError) wire.revision = error.compacted;
  if (error instanceof FutureRevisionError) wire.revision = error.current;
  return wire;
}

const BUILD: Record<string, (wire: WireError) => Error> = {
  CompactedError: (wire) => new CompactedError(wire.revision ?? 0),
  FutureRevisionError: (wire) =>
    Object.assign(new FutureRevisionError(0, wire.revision ?? 0), { message: wire.message }),
  StoreFailedError: (wire) => new StoreFailedError(wire.message),
  StoreLockedError: (wire) => new StoreLockedError(wire.message),
  InvalidCommitError: (wire) => new InvalidCommitError(wire.message),
};

export function fromWire(wire: WireError): Error {
  return BUILD[wire.name]?.(wire) ?? new Error(wire.message);
}
