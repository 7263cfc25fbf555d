/**
 * Moves a served cluster from one store to another. The source serves all the while; for the last moments its writes are held.
 *
 * Invariant: exactly one store is in charge at any time. It is the source until `decide` has resolved, and the target from then on;
 * until the server has started on it a mark in the target keeps everybody else out (backup/marker.ts).
 */
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { CommitInfo, Op, Revision, Store } from '#store/contract.ts';
import { type FillMark, fillMark } from '../backup/marker.ts';
import { removeAll, StoreNotEmptyError } from '../backup/restore.ts';
import { basePut, readBase } from '../engine/base.ts';
import type { KeySpace } from '../engine/keys.ts';
import { requestBytes, WRITE_LIMIT_BYTES } from '../engine/storage.ts';
import { Copy, type Digest, digestOf, pagesOf } from './copy.ts';
import type { WriteGate } from './gate.ts';

/** The two stores do not hold the same: nothing was switched. */
export class CopyDiffersError extends Error {
  override readonly name = 'CopyDiffersError';
}

/** An object is larger than the target takes. */
export class OversizedEntryError extends Error {
  override readonly name = 'OversizedEntryError';
}

/** Writes were held for as long as they may be, and are let through again. */
export class HeldTooLongError extends Error {
  override readonly name = 'HeldTooLongError';
}

/** Where a promotion is. `of` is how many entries there were when it began. */
export type PromotionStep =
  | { step: 'checked'; entries: number; bytes: number }
  | { step: 'copy'; entries: number; of: number }
  | { step: 'hold' }
  | { step: 'compare'; changed: number };

/** What was moved, and how. */
export interface Promoted extends Digest {
  /** Names it: in the mark, and in what `decide` keeps. */
  id: string;
  /** The base of resourceVersions in the target: greater than any that was handed out. */
  base: number;
  /** How long writes were held, in ms. */
  heldMs: number;
}

export interface PromotionOptions {
  source: Store;
  /** Of the source. */
  gate: WriteGate;
  target: Store;
  keys: KeySpace;
  id: string;
  /** Names the cluster: a target that another one fills is left alone. */
  owner: string;
  clock: Clock;
  /** Gives it up, as long as nothing is decided. */
  signal: AbortSignal;
  progress: (step: PromotionStep) => void;
  /**
   * Puts the target in charge, for good and durably. When it rejects, the source is still in charge.
   */
  decide: (promoted: Promoted) => Promise<void>;
  /** Writes wait at most so long. */
  holdLimitMs?: number;
}

/** Within what clients wait for an answer (60 s). */
const HOLD_LIMIT_MS = 30_000;

/** Rounds of copying end when one has written no more than this, or after so many: what is left is for when writes are held. */
const FEW_CHANGES = 200;
const MAX_ROUNDS = 8;

/** What clients are told until the server is back. */
const RETRY_AFTER_S = 1;

/**
 * Rejects with the source in charge, untouched and writable, and the target marked as half-done: to run it again starts over. Once
 * it resolves the gate refuses all writes, and the server has to start anew on the target, with `finishPromotion`.
 */
export async function promote(options: PromotionOptions): Promise<Promoted> {
  const { source, target, keys, gate, clock, signal, progress } = options;
  const checked = await survey(source, keys, signal);
  progress({ step: 'checked', ...checked });
  const filling = await Filling.begin(options);
  await removeAll(target, keys, (ops) => filling.write(ops));
  const copy = new Copy(source, keys, (ops) => filling.write(ops), signal);
  const told = (entries: number) => progress({ step: 'copy', entries, of: checked.entries });
  for (let round = 0; round < MAX_ROUNDS; round++)
    if ((await copy.round(round === 0 ? told : undefined)) <= FEW_CHANGES) break;
  progress({ step: 'hold' });
  const started = clock.monotonic();
  try {
    const moved = await withinLimit(options, (limited) => finalCopy(options, filling, copy, limited));
    const promoted = { ...moved, id: options.id, heldMs: Math.round(clock.monotonic() - started) };
    await options.decide(promoted);
    gate.refuse(restarting());
    return promoted;
  } catch (error) {
    gate.release();
    throw error;
  }
}

/** Counts what there is. Throws OversizedEntryError for what no commit of the target would take. */
async function survey(source: Store, keys: KeySpace, signal: AbortSignal) {
  const found = { entries: 0, bytes: 0 };
  for await (const entries of pagesOf(source, keys, signal))
    for (const { key, value } of entries) {
      found.entries++;
      found.bytes += Buffer.byteLength(key) + value.length;
      const bytes = requestBytes([{ op: 'put', key, value }], { actor: '', cause: '' });
      if (bytes > WRITE_LIMIT_BYTES)
        throw new OversizedEntryError(
          `${key.slice(keys.root.length)} takes ${bytes} bytes, etcd takes ${WRITE_LIMIT_BYTES} (1.5 MiB): make it smaller, or delete it`,
        );
    }
  return found;
}

/** With writes held: the rest, and the proof that nothing is missing. */
async function finalCopy(
  { source, target, keys, gate, progress }: PromotionOptions,
  filling: Filling,
  copy: Copy,
  signal: AbortSignal,
): Promise<Digest & { base: number }> {
  await gate.hold();
  const revision = await source.revision();
  const changed = await copy.round();
  progress({ step: 'compare', changed });
  const [mine, theirs] = await Promise.all([digestOf(source, keys, signal), digestOf(target, keys, signal)]);
  if (mine.sha256 !== theirs.sha256 || mine.entries !== theirs.entries)
    throw new CopyDiffersError(
      `the copy holds ${theirs.entries} entries (${theirs.sha256}), the store ${mine.entries} (${mine.sha256}): nothing was switched`,
    );
  if ((await source.revision()) !== revision)
    throw new CopyDiffersError('the store changed while its writes were held: nothing was switched');
  const base = (await readBase(source, keys.base)).version(revision);
  signal.throwIfAborted();
  await filling.complete(base);
  return { ...mine, base };
}

/** Rejects once the time is over or the promotion is given up, whatever the work still waits for: it can do no harm any more. */
async function withinLimit<T>(
  { clock, signal, holdLimitMs = HOLD_LIMIT_MS }: PromotionOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const limited = AbortSignal.any([signal, over.signal]);
  const tooLong = () =>
    new HeldTooLongError(
      `writes were held for ${holdLimitMs / 1000} s and are let through again: nothing was switched`,
    );
  const timer = clock.timer(holdLimitMs, () => over.abort(tooLong()));
  const working = work(limited);
  try {
    return await Promise.race([working, rejection(limited)]);
  } finally {
    timer.cancel();
    working.catch(() => undefined);
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function restarting(): StatusError {
  return new StatusError('ServiceUnavailable', 'the server starts anew on another store: try again', {
    retryAfterSeconds: RETRY_AFTER_S,
  });
}

/** The target while it is filled: every commit says that the mark is still ours. */
class Filling {
  readonly #options: PromotionOptions;
  /** Revision of the mark. */
  #mark: Revision;

  private constructor(options: PromotionOptions, mark: Revision) {
    this.#options = options;
    this.#mark = mark;
  }

  /** Throws StoreNotEmptyError for a target that holds anything but what an earlier promotion of this cluster has left. */
  static async begin(options: PromotionOptions): Promise<Filling> {
    const { target, keys, owner } = options;
    const found = await target.get(keys.restoring);
    const mark = found && fillMark(found);
    if (mark && !('promotion' in mark && mark.owner === owner))
      throw new StoreNotEmptyError('another cluster, or a restore, is filling this etcd');
    if (!mark && (await target.list(keys.root, { limit: 1 })).entries.length > 0)
      throw new StoreNotEmptyError('this etcd holds a cluster already: name another one, or empty it first');
    const filling = new Filling(options, found?.revision ?? 0);
    await filling.#put(false, []);
    return filling;
  }

  async write(ops: Op[]): Promise<void> {
    const { keys, signal } = this.#options;
    signal.throwIfAborted();
    await this.#commit([...ops, { op: 'check', key: keys.restoring, expect: this.#mark }]);
  }

  /** Nothing is missing: the base is set, and the mark says so. */
  complete(base: number): Promise<void> {
    return this.#put(true, [basePut(this.#options.keys.base, base)]);
  }

  async #put(whole: boolean, others: Op[]): Promise<void> {
    const { id, owner, keys } = this.#options;
    const value = Buffer.from(JSON.stringify({ promotion: id, owner, whole } satisfies FillMark));
    this.#mark = await this.#commit([
      { op: 'put', key: keys.restoring, value, expect: this.#mark },
      ...others,
    ]);
  }

  async #commit(ops: Op[]): Promise<Revision> {
    const { target, clock } = this.#options;
    const info: CommitInfo = { time: clock.now(), actor: 'system:promotion', cause: 'gantry promote' };
    const result = await target.commit(ops, info);
    if (!result.ok)
      throw new StoreNotEmptyError('somebody else has begun to fill this etcd: nothing was switched');
    return result.revision;
  }
}
