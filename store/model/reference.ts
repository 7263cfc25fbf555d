/**
 * What a store must hold, as plain data: the whole history, told by a watch of everything. It is written to be obviously
 * right, not fast, and shares no code with the stores it judges.
 */
import type { Entry, Revision, StoreEvent, WatchBatch } from '../contract.ts';
import { Violation } from './violation.ts';

interface Version {
  revision: Revision;
  /** Undefined = deleted then. */
  entry: Entry | undefined;
}

export class Reference {
  #revision: Revision;
  readonly #versions = new Map<string, Version[]>();
  #batches: WatchBatch[] = [];

  constructor(revision: Revision) {
    this.#revision = revision;
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Takes the next batch of a watch of all keys; throws when it cannot follow what was. */
  apply(batch: WatchBatch): void {
    if (batch.revision !== this.#revision + 1)
      throw new Violation(`after revision ${this.#revision} the watch told of ${batch.revision}`);
    if (batch.events.length === 0) throw new Violation(`revision ${batch.revision} changed nothing`);
    const keys = new Set(batch.events.map(keyOfEvent));
    if (keys.size < batch.events.length)
      throw new Violation(`revision ${batch.revision} changes a key twice`);
    for (const event of batch.events) this.#check(event, batch.revision);
    for (const event of batch.events) {
      const key = keyOfEvent(event);
      const entry = event.type === 'put' ? event.entry : undefined;
      const versions = this.#versions.get(key) ?? [];
      versions.push({ revision: batch.revision, entry });
      this.#versions.set(key, versions);
    }
    this.#revision = batch.revision;
    this.#batches.push(batch);
  }

  #check(event: StoreEvent, revision: Revision): void {
    const key = keyOfEvent(event);
    const before = this.at(key, this.#revision);
    if (!sameEntry(event.previous, before))
      throw new Violation(
        `revision ${revision}: ${key} was ${show(before)}, the event says ${show(event.previous)}`,
      );
    if (event.type === 'delete') {
      if (!before) throw new Violation(`revision ${revision} deletes ${key}, which is not there`);
      return;
    }
    const created = before?.createRevision ?? revision;
    if (event.entry.revision !== revision || event.entry.createRevision !== created)
      throw new Violation(`revision ${revision} puts ${show(event.entry)}, made in ${created}`);
  }

  at(key: string, revision: Revision): Entry | undefined {
    return this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.entry;
  }

  /** When the key was changed next after `revision`; infinity when it was not. */
  changedAfter(key: string, revision: Revision): Revision {
    const next = this.#versions.get(key)?.find((version) => version.revision > revision);
    return next?.revision ?? Number.POSITIVE_INFINITY;
  }

  /** Whether the key was absent at any revision from `from` on. */
  absentSince(key: string, from: Revision): boolean {
    if (!this.at(key, from)) return true;
    return this.#versions.get(key)!.some((version) => version.revision > from && !version.entry);
  }

  /** In order of the bytes of the keys. */
  list(prefix: string, revision: Revision): Entry[] {
    const entries: Entry[] = [];
    for (const key of this.#versions.keys()) {
      const entry = key.startsWith(prefix) ? this.at(key, revision) : undefined;
      if (entry) entries.push(entry);
    }
    return entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  batch(revision: Revision): WatchBatch | undefined {
    return this.#batches[revision - (this.#batches[0]?.revision ?? 0)];
  }

  /** Forgets what nobody may ask for any more. */
  forget(before: Revision): void {
    this.#batches = this.#batches.filter(({ revision }) => revision >= before);
    for (const [key, versions] of this.#versions) {
      const kept = versions.slice(
        Math.max(
          0,
          versions.findLastIndex(({ revision }) => revision <= before),
        ),
      );
      if (kept.length === 1 && !kept[0]!.entry && kept[0]!.revision <= before) this.#versions.delete(key);
      else this.#versions.set(key, kept);
    }
  }
}

export function keyOfEvent(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}

export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.key === b.key &&
    a.revision === b.revision &&
    a.createRevision === b.createRevision &&
    Buffer.compare(a.value, b.value) === 0
  );
}

/** An entry for people: `/a = "text" (revision 3)`. */
export function show(entry: Entry | undefined): string {
  if (!entry) return 'nothing';
  return `${entry.key} = "${Buffer.from(entry.value).toString()}" (revision ${entry.revision})`;
}
