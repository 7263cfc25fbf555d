import type {
  CommitInfo,
  Entry,
  LeaseId,
  ListOptions,
  ListResult,
  Op,
  Revision,
  WatchBatch,
} from '../contract.ts';
import type { Committed } from './database.ts';

/** The calls the facade makes of the worker: name → arguments and result. */
export interface Calls {
  get: { args: [key: string, revision: Revision | undefined]; result: Entry | undefined };
  list: { args: [prefix: string, options: ListOptions]; result: ListResult };
  /** `previous`: with the values that are replaced. The caller makes the events from this and its operations. */
  commit: { args: [ops: readonly Op[], info: CommitInfo, previous: boolean]; result: Committed };
  past: { args: [prefix: string, from: Revision, to: Revision]; result: WatchBatch[] };
  revisionAt: { args: [time: number]; result: Revision | undefined };
  revisionKeeping: { args: [bytes: number]; result: Revision };
  compact: { args: [revision: Revision, prefix: string]; result: undefined };
  addLease: { args: [ttlMs: number]; result: LeaseId };
  endLease: { args: [lease: LeaseId, time: number]; result: undefined };
  /** Answered when all that was sent before is done. */
  mark: { args: []; result: undefined };
  close: { args: []; result: undefined };
}

export type CallName = keyof Calls;

export interface CallMessage {
  id: number;
  call: CallName;
  args: unknown[];
}

/** Errors lose their class on the way between threads: `name` and `data` bring it back. */
export interface WireError {
  name: string;
  message: string;
  /** Revision of CompactedError and FutureRevisionError. */
  revision?: Revision;
}

export type WorkerMessage =
  | { type: 'opened'; revision: Revision; leases: { id: LeaseId; ttlMs: number }[] }
  /** It could not be opened, or has failed for good. */
  | { type: 'failed'; error: WireError }
  | { type: 'result'; id: number; result: unknown }
  | { type: 'error'; id: number; error: WireError }
  /** The commits of a group in one message, in their order. */
  | { type: 'committed'; results: { id: number; result: Committed }[] }
  /** What happened without a call: keys whose lease has ended. */
  | { type: 'happened'; batch: WatchBatch };

export interface WorkerOptions {
  directory: string;
  /** See Head.expect. */
  acceptLoss: boolean;
}
