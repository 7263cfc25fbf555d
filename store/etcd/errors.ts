import {
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCCancelledError,
  GRPCDeadlineExceededError,
  GRPCInternalError,
  GRPCInvalidArgumentError,
  GRPCOutOfRangeError,
  GRPCResourceExhastedError,
  GRPCUnavailableError,
  GRPCUnknownError,
} from 'etcd3';

/** etcd does not answer, or has no leader: nothing is known to have changed, and asking again later may help. */
export class EtcdUnavailableError extends Error {
  override readonly name = 'EtcdUnavailableError';
}

/** The connection broke while a commit was under way and etcd cannot tell whether it was applied: read before repeating. */
export class CommitOutcomeUnknownError extends Error {
  override readonly name = 'CommitOutcomeUnknownError';
}

/** A key was to be bound to a lease that has ended. */
export class LeaseEndedError extends Error {
  override readonly name = 'LeaseEndedError';
  constructor(lease: string) {
    super(`the lease ${lease} has ended`);
  }
}

/** What a failed call means to us. `unavailable`: the call may or may not have been carried out. */
export type Fault = 'unavailable' | 'out-of-range' | 'lease-ended' | 'exhausted' | 'too-large' | 'other';

const FAULTS: readonly [new (...args: never[]) => Error, Fault][] = [
  [EtcdUnavailableError, 'unavailable'],
  [EtcdLeaseInvalidError, 'lease-ended'],
  [EtcdPermissionDeniedError, 'other'],
  [EtcdInvalidAuthTokenError, 'other'],
  [GRPCOutOfRangeError, 'out-of-range'],
  [GRPCResourceExhastedError, 'exhausted'],
  [GRPCInvalidArgumentError, 'too-large'],
  [GRPCUnavailableError, 'unavailable'],
  [GRPCDeadlineExceededError, 'unavailable'],
  [GRPCCancelledError, 'unavailable'],
  [GRPCInternalError, 'unavailable'],
  [GRPCUnknownError, 'unavailable'],
];

export function faultOf(error: unknown): Fault {
  return FAULTS.find(([type]) => error instanceof type)?.[1] ?? 'other';
}
