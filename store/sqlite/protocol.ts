import type {
  CommitInfo,
  CommitResult,
  Entry,
  LeaseId,
  ListOptions,
  ListResult,
  Op,
  Revision,
  WatchBatch,
} from '../contract.ts';

/** The calls the facade makes of the worker: name → arguments and result. */
export interface Calls {
  get: { args: [key: string, revision: Revision | undefined]; result: Entry | undefined };
  list: { args: [prefix: string, options: ListOptions]; result: ListResult };
  commit: { args: [ops: readonly Op[], info: CommitInfo]; result: CommitResult };
  log: { args: [from: Revision, to: Revision]; result: WatchBatch[] };
  revisionAt: { args: [time: number]; result: Revision | undefined };
  compact: { args: [revision: Revision]; result: undefined };
  addLease: { args: [ttlMs: number]; result: LeaseId };
  endLease: { args: [lease: LeaseId, time: number]; result: undefined };
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
  | { type: 'failed'; error: WireError }
  | { type: 'result'; id: number; result: unknown }
  | { type: 'error'; id: number; error: WireError }
  /** A group of commits in one message: what they changed, to be told before their results. */
  | { type: 'batches'; batches: WatchBatch[]; results: { id: number; result: unknown }[] };

export interface WorkerOptions {
  directory: string;
}
