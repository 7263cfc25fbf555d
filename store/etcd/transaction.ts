import type { ICompare, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3';
import { checkOps, InvalidCommitError, MAX_OPS } from '../commit.ts';
import type { CommitInfo, CommitResult, Op } from '../contract.ts';
import type { KeyLayout } from './key-layout.ts';
import { toEntry } from './watch-stream.ts';

/** etcd's default limit of a request, without what the message itself takes. */
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
const OP_OVERHEAD_BYTES = 32;

/** etcd's CompareResult.Equal and CompareTarget.Mod: names it does not know are sent as 0, so numbers are. */
const EQUAL = 0;
const MOD = 2;

/** A commit as one etcd transaction. */
export interface Transaction {
  request: ITxnRequest;
  /** The ops with an expectation, in the order of the answers when one fails. */
  expecting: readonly Op[];
  /** The commit's record carries its token: whether it was applied can be found out. */
  traceable: boolean;
  /** It cannot be applied twice: it wants a revision that it ends, and revisions never come back. */
  repeatable: boolean;
}

/** Throws InvalidCommitError for what etcd cannot take. */
export function planTransaction(
  ops: readonly Op[],
  info: CommitInfo,
  token: string,
  layout: KeyLayout,
): Transaction {
  checkOps(ops);
  const compare: ICompare[] = [];
  const success: IRequestOp[] = [];
  const failure: IRequestOp[] = [];
  const expecting: Op[] = [];
  let bytes = 0;
  for (const op of ops) {
    layout.check(op.key);
    const key = layout.toEtcd(op.key);
    bytes += key.length + OP_OVERHEAD_BYTES;
    if (op.expect !== undefined) {
      compare.push({ result: EQUAL, target: MOD, key, mod_revision: op.expect });
      failure.push({ request_range: { key } });
      expecting.push(op);
      bytes += 2 * (key.length + OP_OVERHEAD_BYTES);
    }
    if (op.op === 'put') {
      success.push({ request_put: { key, value: Buffer.from(op.value), lease: op.lease ?? 0 } });
      bytes += op.value.length;
    } else if (op.op === 'delete') success.push({ request_delete_range: { key } });
  }
  const traceable = success.length < MAX_OPS && changesSomething(ops);
  if (traceable) {
    const value = encodeRecord(token, info);
    success.push({ request_put: { key: layout.record, value } });
    bytes += value.length + layout.record.length + OP_OVERHEAD_BYTES;
  }
  if (bytes > MAX_REQUEST_BYTES)
    throw new InvalidCommitError(
      `a commit of ${bytes} bytes is too large for etcd, which takes ${MAX_REQUEST_BYTES} bytes (1.5 MiB): make the objects smaller`,
    );
  const repeatable = traceable && ops.some((op) => op.op !== 'check' && (op.expect ?? 0) > 0);
  return { request: { compare, success, failure }, expecting, traceable, repeatable };
}

/** Why the comparison failed: the first op, in order, whose key is not as it expects. */
export function conflictOf({ expecting }: Transaction, response: ITxnResponse): CommitResult {
  for (const [i, op] of expecting.entries()) {
    const kv = response.responses[i]!.response_range.kvs[0];
    if (Number(kv?.mod_revision ?? 0) !== op.expect)
      return { ok: false, key: op.key, actual: kv && toEntry(op.key, kv) };
  }
  throw new Error('etcd refused a commit whose expectations all hold');
}

/** Deletions of keys that may not be there take no revision, so no record must be written with them. */
function changesSomething(ops: readonly Op[]): boolean {
  return ops.some((op) => op.op === 'put' || (op.op === 'delete' && (op.expect ?? 0) > 0));
}

/** The token, a line break, and JSON of time (ms), actor and cause. */
function encodeRecord(token: string, { time, actor, cause }: CommitInfo): Buffer {
  return Buffer.from(`${token}\n${JSON.stringify({ t: time, a: actor, c: cause })}`);
}

export function tokenOf(record: Buffer): string {
  return record.toString('latin1', 0, Math.max(0, record.indexOf(10)));
}

export function timeOf(record: Buffer): number {
  return (JSON.parse(record.toString('utf8', record.indexOf(10) + 1)) as { t: number }).t;
}
