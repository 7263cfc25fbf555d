/** Does a program's steps with a store, many clients at a time, and compares all that was seen after each round. */
import { settle, type VirtualClock } from '#machinery/clock-virtual.ts';
import type { Op, Revision, Store } from '../contract.ts';
import { inOrderOfClaims, judge, type Owners } from './judge.ts';
import type { Round, Step, Write } from './program.ts';
import { type Call, describeCall, type SeenCall } from './record.ts';
import { keyOfEvent, Reference, sameEntry } from './reference.ts';
import { Violation } from './violation.ts';
import { Watcher } from './watcher.ts';

export interface Subject {
  store: Store;
  /** Drives the store's leases. */
  clock: VirtualClock;
  /** Turns of the event loop to wait for what must come; generous, for it is only used up when it does not. */
  patience: number;
}

/** Watches open at once: bounds what a run holds. */
const MAX_WATCHERS = 24;

interface Lease {
  id: string;
  ttlMs: number;
  endsAt: number;
  revoking: boolean;
}

export class ModelRun {
  readonly #subject: Subject;
  readonly #reference: Reference;
  readonly #auditor: Watcher;
  readonly #watchers: Watcher[] = [];
  readonly #leases: Lease[] = [];
  /** By key, the lease it is to end with. */
  readonly #leased = new Map<string, string>();
  readonly #known = new Map<string, Revision>();
  #calls: SeenCall[] = [];
  #unjudged: SeenCall[] = [];
  #floor: Revision;
  #compacted: Revision = 0;
  #compactAsked: Revision = 0;
  #texts = 0;

  private constructor(subject: Subject, start: Revision) {
    this.#subject = subject;
    this.#floor = start;
    this.#reference = new Reference(start);
    this.#auditor = new Watcher(subject.store, '', start, 0, (at) => this.#saw(at));
  }

  /** The store must be empty. */
  static async on(subject: Subject): Promise<ModelRun> {
    return new ModelRun(subject, await subject.store.revision());
  }

  /** What was seen in the last round, a line each. */
  get transcript(): string[] {
    return this.#calls.map(describeCall);
  }

  /** Rejects with a Violation when the store broke its contract. */
  async round({ steps, advanceMs }: Round): Promise<void> {
    this.#calls = [];
    const clients = Map.groupBy(steps, ({ client }) => client).values();
    await Promise.all([...clients].map((mine) => this.#inOrder(mine)));
    await this.#compare();
    if (advanceMs === 0) return;
    await this.#subject.clock.advance(advanceMs);
    await this.#compare();
  }

  stop(): void {
    for (const watcher of [this.#auditor, ...this.#watchers]) watcher.stop();
  }

  async #inOrder(steps: Step[]): Promise<void> {
    for (const step of steps) await this.#step(step);
  }

  async #step(step: Step): Promise<void> {
    const { store } = this.#subject;
    if (step.do === 'commit') return this.#commit(step);
    if (step.do === 'watch') return this.#watch(step.prefix, this.#past(step.back));
    if (step.do === 'unwatch') return this.#at(this.#watchers, step.index)?.stop();
    if (step.do === 'grant') return this.#grant(step.ttlMs);
    if (step.do === 'revoke') return this.#revoke(this.#at(this.#leases, step.index));
    if (step.do === 'renew') return this.#renew(step.client, this.#at(this.#leases, step.index));
    if (step.do === 'get') {
      const revision = this.#past(step.back);
      const call = { do: 'get', key: step.key, revision } as const;
      await this.#record(
        step.client,
        () => store.get(step.key, revision),
        (result) => ({ ...call, result }),
      );
      return;
    }
    if (step.do === 'compact') {
      const revision = this.#past(step.back)!;
      this.#compactAsked = Math.max(this.#compactAsked, revision);
      const failed = await this.#record(
        step.client,
        () => store.compact(revision),
        (result) => ({ do: 'compact', revision, result: result ?? undefined }) as Call,
      );
      if (!failed) this.#compacted = Math.max(this.#compacted, revision);
      return;
    }
    const { prefix, limit, after } = step;
    const options = { limit, after, revision: this.#past(step.back) };
    await this.#record(
      step.client,
      () => store.list(prefix, options),
      (result) => ({ do: 'list', prefix, options, result }),
    );
  }

  async #commit(step: Extract<Step, { do: 'commit' }>): Promise<void> {
    const ops = step.writes.map((write) => this.#op(write, `${step.text}-${this.#texts++}`));
    const info = { time: this.#subject.clock.now(), actor: `client-${step.client}` };
    await this.#record(
      step.client,
      () => this.#subject.store.commit(ops, info),
      (result) => ({ do: 'commit', ops, result }),
    );
  }

  #op({ op, key, expect, lease }: Write, text: string): Op {
    const revision = { any: undefined, known: this.#known.get(key) ?? 0, absent: 0, wrong: 1e9 }[expect];
    if (op === 'check') return { op, key, expect: revision ?? 0 };
    if (op === 'delete') return { op, key, expect: revision };
    const id = lease === undefined ? undefined : this.#at(this.#leases, lease)?.id;
    return { op, key, value: Buffer.from(text), expect: revision, lease: id };
  }

  /** Does the call and keeps what was seen; true when it failed. */
  async #record<T>(
    client: number,
    act: () => Promise<T>,
    toCall: (result: T | Error) => Call,
  ): Promise<boolean> {
    const began = { floor: this.#floor, compacted: this.#compacted };
    const result = await act().catch((error: Error) => error);
    const call = { ...toCall(result), client, began, compactAsked: this.#compactAsked } as SeenCall;
    this.#calls.push(call);
    this.#unjudged.push(call);
    if (result instanceof Error) return true;
    if (call.do === 'get' && call.result && !(call.result instanceof Error)) {
      this.#saw(call.result.revision);
      if (call.revision === undefined) this.#known.set(call.key, call.result.revision);
    } else if (call.do === 'list') this.#saw((call.result as { revision: Revision }).revision);
    else if (call.do === 'commit') this.#sawCommit(call);
    return false;
  }

  #sawCommit(call: Extract<SeenCall, { do: 'commit' }>): void {
    const result = call.result as Exclude<typeof call.result, Error>;
    if (!result.ok) {
      this.#known.set(result.key, result.actual?.revision ?? 0);
      if (result.actual) this.#saw(result.actual.revision);
      return;
    }
    this.#saw(result.revision);
    for (const op of call.ops) {
      if (op.op === 'check') continue;
      this.#known.set(op.key, op.op === 'put' ? result.revision : 0);
    }
  }

  #saw(revision: Revision): void {
    this.#floor = Math.max(this.#floor, revision);
  }

  #watch(prefix: string, from: Revision | undefined): void {
    if (this.#watchers.length >= MAX_WATCHERS) return;
    const watcher = new Watcher(this.#subject.store, prefix, from ?? this.#floor, this.#compacted, (at) =>
      this.#saw(at),
    );
    this.#watchers.push(watcher);
  }

  async #grant(ttlMs: number): Promise<void> {
    const { store, clock } = this.#subject;
    const id = await store.grantLease(ttlMs);
    if (this.#leases.some((lease) => lease.id === id)) throw new Violation(`${id} was granted twice`);
    this.#leases.push({ id, ttlMs, endsAt: clock.now() + ttlMs, revoking: false });
  }

  async #revoke(lease: Lease | undefined): Promise<void> {
    if (!lease) return;
    lease.revoking = true;
    await this.#subject.store.revokeLease(lease.id);
    lease.endsAt = Math.min(lease.endsAt, this.#subject.clock.now());
  }

  async #renew(client: number, lease: Lease | undefined): Promise<void> {
    if (!lease) return;
    const { store, clock } = this.#subject;
    const wasAlive = lease.endsAt > clock.now();
    await this.#record(
      client,
      () => store.renewLease(lease.id),
      (result) => ({ do: 'renew', lease: lease.id, wasAlive, mayHaveEnded: lease.revoking, result }),
    );
    if (wasAlive && !lease.revoking) lease.endsAt = clock.now() + lease.ttlMs;
  }

  /** Waits until every watch has told what it must, then judges everything. */
  async #compare(): Promise<void> {
    await this.#catchUp();
    this.#absorb();
    // An ended lease takes its keys away by itself, a little later.
    for (let turn = 0; turn < this.#subject.patience && this.#outlived(); turn++) {
      await settle();
      await this.#catchUp();
      this.#absorb();
    }
    const outlived = this.#outlived();
    if (outlived) throw new Violation(`${outlived} is still there though its lease has ended`);
    await this.#compareAll();
    this.#tidy();
  }

  async #catchUp(): Promise<void> {
    let newest = await this.#subject.store.revision();
    for (let turn = 0; turn < this.#subject.patience; turn++) {
      const behind = [this.#auditor, ...this.#watchers].some(
        (watcher) => !watcher.ended && !watcher.aborted && watcher.newest < newest,
      );
      if (!behind) break;
      await settle();
      newest = await this.#subject.store.revision();
    }
    if (this.#auditor.ended)
      throw new Violation(`the watch of everything ended: ${this.#auditor.ended.error}`);
    if (this.#auditor.newest < newest)
      throw new Violation(
        `the watch of everything ends at ${this.#auditor.newest}, the store is at ${newest}`,
      );
  }

  #absorb(): void {
    const from = this.#reference.revision;
    for (const batch of this.#auditor.batches.splice(0)) this.#reference.apply(batch);
    this.#auditor.seen = this.#reference.revision;
    const owners: Owners = new Map();
    for (const call of inOrderOfClaims(this.#unjudged.splice(0), this.#reference))
      judge(call, this.#reference, owners);
    for (let revision = from + 1; revision <= this.#reference.revision; revision++)
      this.#followLeases(revision, owners.get(revision));
    for (const watcher of this.#watchers) watcher.judge(this.#reference, this.#compactAsked);
  }

  /** What nobody committed must be the end of a lease. */
  #followLeases(revision: Revision, owner: SeenCall | undefined): void {
    const { events } = this.#reference.batch(revision)!;
    if (owner?.do === 'commit') {
      for (const op of owner.ops) {
        if (op.op === 'put' && op.lease) this.#leased.set(op.key, op.lease);
        else if (op.op !== 'check') this.#leased.delete(op.key);
      }
      return;
    }
    const [event] = events;
    const lease = event?.type === 'delete' ? this.#leased.get(event.key) : undefined;
    if (events.length !== 1 || !lease || !this.#hasEnded(lease))
      throw new Violation(`revision ${revision} (${events.map(keyOfEvent)}) is nobody's commit`);
    this.#leased.delete(keyOfEvent(event!));
  }

  #hasEnded(id: string): boolean {
    const lease = this.#leases.find((candidate) => candidate.id === id)!;
    return lease.revoking || lease.endsAt <= this.#subject.clock.now();
  }

  /** A key that should have gone with its lease. */
  #outlived(): string | undefined {
    for (const [key, lease] of this.#leased) if (this.#hasEnded(lease)) return key;
    return undefined;
  }

  /** The present as the store lists it must be the present as the watch told it. */
  async #compareAll(): Promise<void> {
    const { entries, revision } = await this.#subject.store.list('');
    const wanted = this.#reference.list('', this.#reference.revision);
    const same = wanted.length === entries.length && wanted.every((entry, i) => sameEntry(entry, entries[i]));
    if (revision !== this.#reference.revision || !same)
      throw new Violation(
        `the store holds ${entries.map(({ key }) => key)}, not ${wanted.map(({ key }) => key)}`,
      );
  }

  #tidy(): void {
    for (const watcher of [...this.#watchers])
      if (watcher.ended || watcher.aborted) this.#watchers.splice(this.#watchers.indexOf(watcher), 1);
    const oldest = Math.min(this.#reference.revision - 200, this.#compacted);
    if (oldest > 0) this.#reference.forget(oldest);
  }

  #past(back: number | undefined): Revision | undefined {
    return back === undefined ? undefined : Math.max(0, this.#floor - back);
  }

  #at<T>(items: readonly T[], index: number): T | undefined {
    return items[index % Math.max(1, items.length)];
  }
}
