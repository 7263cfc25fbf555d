import type { Op, StoreEvent, WatchBatch } from '../contract.ts';
import type { Applied } from './database.ts';

/** The events of a commit, from its operations and what the worker told of them. */
export function batchOf(ops: readonly Op[], { revision, changes }: Applied): WatchBatch {
  const events = changes.map(({ op: at, createRevision, previous }): StoreEvent => {
    const op = ops[at]!;
    if (op.op !== 'put') return { type: 'delete', key: op.key, revision, previous: previous! };
    return { type: 'put', entry: { key: op.key, value: op.value, revision, createRevision }, previous };
  });
  return { revision, events };
}
