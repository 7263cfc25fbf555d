import type { Op } from './contract.ts';

/** A commit that no store can carry out: the caller's mistake, not a conflict. */
export class InvalidCommitError extends Error {
  override readonly name = 'InvalidCommitError';
}

/** At most this many operations in one commit: a bound that etcd has too (its default is 128). */
export const MAX_OPS = 128;

/** Refuses commits that are empty, too large or name a key twice. */
export function checkOps(ops: readonly Op[]): void {
  if (ops.length === 0) throw new InvalidCommitError('a commit needs at least one operation');
  if (ops.length > MAX_OPS) throw new InvalidCommitError(`a commit holds at most ${MAX_OPS} operations`);
  const changed = new Set<string>();
  for (const { op, key } of ops) {
    if (key === '') throw new InvalidCommitError('a key must not be empty');
    if (op === 'check') continue;
    if (changed.has(key)) throw new InvalidCommitError(`the key ${key} is changed twice in one commit`);
    changed.add(key);
  }
}
