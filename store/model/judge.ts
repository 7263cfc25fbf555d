/**
 * Holds what clients saw against the history that the watch of everything told. Reads and writes must be linearizable:
 * an answer stands for some moment between the call and its end, and nobody sees less than somebody saw before.
 */
import {
  type CommitResult,
  CompactedError,
  type Entry,
  type ListResult,
  type Op,
  type Revision,
} from '../contract.ts';
import type { Call, SeenCall } from './record.ts';
import { keyOfEvent, type Reference, sameEntry, show } from './reference.ts';
import { Violation } from './violation.ts';

type Of<D extends Call['do']> = Extract<SeenCall, { do: D }>;

/** Revisions that a commit of the round answered with: each may be the work of one only. */
export type Owners = Map<Revision, SeenCall>;

export function judge(call: SeenCall, reference: Reference, owners: Owners): void {
  if (call.result instanceof Error) judgeError(call, call.result);
  else if (call.do === 'commit') judgeCommit(call, call.result as CommitResult, reference, owners);
  else if (call.do === 'get') judgeGet(call, call.result as Entry | undefined, reference);
  else if (call.do === 'list') judgeList(call, call.result as ListResult, reference);
  else if (call.do === 'renew') judgeRenew(call);
}

/**
 * A commit of deletions only may have found nothing to delete, or be the one that deleted: those that can only be the
 * latter come first.
 */
export function inOrderOfClaims(calls: SeenCall[], reference: Reference): SeenCall[] {
  const rank = (call: SeenCall) => {
    if (call.do !== 'commit' || call.result instanceof Error || !call.result.ok) return 0;
    if (call.ops.some(({ op }) => op === 'put')) return 0;
    const { revision } = call.result;
    const asExpected = ({ key, expect }: Op) =>
      expect === undefined || expect === (reference.at(key, revision)?.revision ?? 0);
    return call.ops.every(asExpected) ? 2 : 1;
  };
  return calls.toSorted((a, b) => rank(a) - rank(b));
}

function judgeError(call: SeenCall, error: Error): void {
  if (error instanceof CompactedError) {
    const asked = call.do === 'get' ? call.revision : call.do === 'list' ? call.options.revision : undefined;
    if (asked !== undefined && asked < call.compactAsked) return;
    throw new Violation(`compacted, but nobody asked to forget revision ${asked}`);
  }
  // A commit that names a lease which has ended is refused; anything else has no reason to fail.
  if (
    call.do === 'commit' &&
    call.ops.some((op) => op.op === 'put' && op.lease) &&
    /lease/.test(error.message)
  )
    return;
  throw new Violation(`failed for no reason: ${error.name}: ${error.message}`);
}

function judgeCommit(call: Of<'commit'>, result: CommitResult, reference: Reference, owners: Owners): void {
  if (!result.ok) {
    judgeConflict(call, result, reference);
    return;
  }
  const { revision } = result;
  if (revision > reference.revision) throw new Violation(`revision ${revision} is in no watch`);
  const batch = reference.batch(revision);
  if (batch && !owners.has(revision) && revision > call.began.floor && madeBy(call.ops, batch.events)) {
    owners.set(revision, call);
    checkExpectations(call.ops, reference, revision - 1);
    const changed = call.ops.filter(
      (op) => op.op === 'put' || (op.op === 'delete' && reference.at(op.key, revision - 1)),
    );
    const keys = new Set(batch.events.map(keyOfEvent));
    const lost = changed.find(({ key }) => !keys.has(key));
    if (lost) throw new Violation(`revision ${revision} lacks the ${lost.op} of ${lost.key}`);
    if (keys.size > changed.length) throw new Violation(`revision ${revision} holds more than was committed`);
    return;
  }
  const change = call.ops.find(
    (op) => op.op === 'put' || (op.op === 'delete' && reference.at(op.key, revision)),
  );
  if (change) throw new Violation(`${change.op} of ${change.key} was acknowledged as ${revision}: not there`);
  if (revision < call.began.floor) throw new Violation(`${call.began.floor} was known, ${revision} is older`);
  checkExpectations(call.ops, reference, revision);
}

/** Whether the events can be those of the commit: values are unique, so a put tells. */
function madeBy(ops: readonly Op[], events: readonly { type: string }[]): boolean {
  return (events as Parameters<typeof keyOfEvent>[0][]).every((event) => {
    const op = ops.find(({ key, op }) => key === keyOfEvent(event) && op === event.type);
    if (!op) return false;
    return op.op !== 'put' || (event.type === 'put' && Buffer.compare(op.value, event.entry.value) === 0);
  });
}

function checkExpectations(ops: readonly Op[], reference: Reference, revision: Revision): void {
  for (const { key, expect } of ops) {
    const actual = reference.at(key, revision);
    if (expect !== undefined && expect !== (actual?.revision ?? 0))
      throw new Violation(`${key} was expected at ${expect}, was ${show(actual)}, and yet it was committed`);
  }
}

function judgeConflict(
  call: Of<'commit'>,
  { key, actual }: Extract<CommitResult, { ok: false }>,
  reference: Reference,
): void {
  const op = call.ops.find((candidate) => candidate.key === key);
  if (!op) throw new Violation(`a conflict at ${key}, which is not in the commit`);
  if (op.expect === undefined || op.expect === (actual?.revision ?? 0))
    throw new Violation(`a conflict at ${key}, which is as it was expected: ${show(actual)}`);
  checkCurrent(key, actual, call.began.floor, reference);
}

function judgeGet(call: Of<'get'>, result: Entry | undefined, reference: Reference): void {
  const { key, revision } = call;
  if (revision === undefined) {
    checkCurrent(key, result, call.began.floor, reference);
    return;
  }
  checkNotCompacted(call, revision);
  const wanted = reference.at(key, revision);
  if (!sameEntry(result, wanted))
    throw new Violation(`at ${revision} it is ${show(wanted)}, the answer was ${show(result)}`);
}

/** The answer must hold at some moment that is not before what was known when the call began. */
function checkCurrent(key: string, seen: Entry | undefined, floor: Revision, reference: Reference): void {
  if (!seen) {
    if (!reference.absentSince(key, floor))
      throw new Violation(`${key} was there all the time since ${floor}, the answer was nothing`);
    return;
  }
  if (!sameEntry(seen, reference.at(key, seen.revision))) throw new Violation(`nobody wrote ${show(seen)}`);
  const replaced = reference.changedAfter(key, seen.revision);
  if (replaced <= floor)
    throw new Violation(`${show(seen)} was replaced in ${replaced}, and ${floor} was known`);
}

function judgeList(call: Of<'list'>, result: ListResult, reference: Reference): void {
  const { prefix, options } = call;
  if (options.revision !== undefined) {
    checkNotCompacted(call, options.revision);
    if (result.revision !== options.revision) throw new Violation(`a list at ${result.revision}`);
  } else if (result.revision < call.began.floor || result.revision > reference.revision) {
    throw new Violation(`a list at ${result.revision}; ${call.began.floor} was known`);
  }
  const { after, limit } = options;
  const all = reference.list(prefix, result.revision).filter(({ key }) => isAfter(key, after));
  const wanted = all.slice(0, limit ?? all.length);
  const same =
    wanted.length === result.entries.length &&
    wanted.every((entry, i) => sameEntry(entry, result.entries[i]));
  if (!same)
    throw new Violation(
      `the snapshot of ${result.revision} is ${wanted.map(show).join(', ')}; the list was ${result.entries.map(show).join(', ')}`,
    );
  if (result.more !== all.length > wanted.length) throw new Violation(`more is ${result.more}`);
}

function isAfter(key: string, after: string | undefined): boolean {
  return after === undefined || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
}

function checkNotCompacted(call: SeenCall, revision: Revision): void {
  if (revision < call.began.compacted)
    throw new Violation(`revision ${revision} was read though ${call.began.compacted} was compacted`);
}

function judgeRenew(call: Of<'renew'>): void {
  if (call.result === false && call.wasAlive && !call.mayHaveEnded)
    throw new Violation(`${call.lease} had not ended and was not renewed`);
  if (call.result === true && !call.wasAlive) throw new Violation(`${call.lease} had ended and was renewed`);
}
