/** What a client saw: a call, what was known when it began, and how it ended. Judged in judge.ts. */
import type { CommitResult, Entry, ListOptions, ListResult, Op, Revision } from '../contract.ts';
import { show } from './reference.ts';

/** What was certain at a moment: by it a checker tells a late answer from a wrong one. */
export interface Moment {
  /** The newest revision that anybody had seen. */
  floor: Revision;
  /** Compaction before this was acknowledged. */
  compacted: Revision;
}

export type Call =
  | { do: 'commit'; ops: Op[]; result: CommitResult | Error }
  | { do: 'get'; key: string; revision: Revision | undefined; result: Entry | undefined | Error }
  | { do: 'list'; prefix: string; options: ListOptions; result: ListResult | Error }
  | { do: 'compact'; revision: Revision; result: undefined | Error }
  | { do: 'renew'; lease: string; wasAlive: boolean; mayHaveEnded: boolean; result: boolean | Error };

export type SeenCall = Call & {
  client: number;
  began: Moment;
  /** Compaction that was asked for, though perhaps not acknowledged, when the call ended. */
  compactAsked: Revision;
};

/** One line for people. */
export function describeCall(call: SeenCall): string {
  return `client ${call.client}: ${describe(call)} -> ${outcome(call)}`;
}

function describe(call: Call): string {
  if (call.do === 'commit') return `commit ${call.ops.map(describeOp).join(', ')}`;
  if (call.do === 'get') return `get ${call.key}${at(call.revision)}`;
  if (call.do === 'list') {
    const { limit, after, revision } = call.options;
    const rest = `${limit ? ` limit ${limit}` : ''}${after ? ` after ${after}` : ''}${at(revision)}`;
    return `list "${call.prefix}"${rest}`;
  }
  return call.do === 'compact' ? `compact ${call.revision}` : `renew ${call.lease}`;
}

function describeOp(op: Op): string {
  const value = op.op === 'put' ? ` = "${Buffer.from(op.value).toString()}"` : '';
  const lease = op.op === 'put' && op.lease ? ` (${op.lease})` : '';
  return `${op.op} ${op.key}${value}${lease}${op.expect === undefined ? '' : ` if ${op.expect}`}`;
}

function outcome(call: Call): string {
  const { result } = call;
  if (result instanceof Error) return `${result.name}: ${result.message}`;
  if (call.do === 'get') return show(call.result as Entry | undefined);
  if (call.do === 'commit') {
    const commit = call.result as CommitResult;
    return commit.ok ? `revision ${commit.revision}` : `conflict: ${commit.key} is ${show(commit.actual)}`;
  }
  if (call.do === 'list') {
    const { revision, entries, more } = call.result as ListResult;
    return `at ${revision}: ${entries.map(show).join(', ') || 'nothing'}${more ? ', and more' : ''}`;
  }
  return result === undefined ? 'done' : String(result);
}

function at(revision: Revision | undefined): string {
  return revision === undefined ? '' : ` at ${revision}`;
}
