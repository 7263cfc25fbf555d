/** What a writer was told, and whether a store that was opened again keeps to it. */
import { CompactedError, type Entry, type Revision, type Store, type StoreEvent } from '../../contract.ts';

interface Told {
  key: string;
  /** `-` for a deletion. */
  text: string;
}

/** The acknowledgements of writer.ts, over all its runs in one directory. */
export class Acknowledged {
  readonly #told = new Map<Revision, Told>();
  /** Names of the errors that were told. */
  readonly failures: string[] = [];
  /** The newest revision that anybody knows. */
  newest: Revision = 0;

  get count(): number {
    return this.#told.size;
  }

  /** Takes in a line of writer.ts; throws when it uses a revision again. */
  note(line: string): void {
    const [key, second, text] = line.split(' ') as [string, string, string];
    if (key === 'failed') this.failures.push(second);
    if (!key.startsWith('/')) return;
    const revision = Number(second);
    if (this.#told.has(revision)) throw new Error(`revision ${revision} was acknowledged twice`);
    this.#told.set(revision, { key, text });
    this.reached(revision);
  }

  /** A revision was seen by other means: the store may not be behind it. */
  reached(revision: Revision): void {
    this.newest = Math.max(this.newest, revision);
  }

  /**
   * Reads all that the store still has of its past, as a watcher, and throws when anything acknowledged is missing or is
   * another, when revisions are missing or come twice, when a commit is there by half, or when the past does not lead to
   * what the store shows now.
   */
  async check(store: Store): Promise<void> {
    const head = await store.revision();
    if (head < this.newest) throw new Error(`revision ${this.newest} is lost: the newest is ${head}`);
    const { from, state } = await oldest(store);
    const stop = new AbortController();
    let at = from;
    const events = head > from ? store.watch('/', from, stop.signal) : [];
    for await (const batch of events) {
      if (batch.revision !== at + 1) throw new Error(`revision ${batch.revision} comes after ${at}`);
      at = batch.revision;
      this.#checkTold(at, batch.events, state);
      for (const event of batch.events) apply(state, event);
      checkWhole(batch.events, at);
      if (at === head) stop.abort();
    }
    checkState(state, (await store.list('/')).entries);
  }

  #checkTold(revision: Revision, events: readonly StoreEvent[], before: ReadonlyMap<string, Entry>): void {
    const told = this.#told.get(revision);
    if (!told) return;
    const found = events.find((event) => keyOf(event) === told.key);
    // A key that was not there is deleted without an event.
    const none = before.has(told.key) ? 'as it was' : '-';
    const text = found?.type === 'put' ? textOf(found.entry) : found ? '-' : none;
    if (text !== told.text) throw new Error(`${told.key} at ${revision} is ${text}, not ${told.text}`);
  }
}

/** The oldest state that can be read, and its revision. */
async function oldest(store: Store): Promise<{ from: Revision; state: Map<string, Entry> }> {
  try {
    await store.list('/', { revision: 0 });
    return { from: 0, state: new Map() };
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    const { entries } = await store.list('/', { revision: error.compacted });
    return { from: error.compacted, state: new Map(entries.map((entry) => [entry.key, entry])) };
  }
}

function apply(state: Map<string, Entry>, event: StoreEvent): void {
  const key = keyOf(event);
  const known = state.get(key);
  if (event.previous?.revision !== known?.revision)
    throw new Error(`an event of ${key} has a previous value that was not there`);
  if (event.type === 'put') state.set(key, event.entry);
  else state.delete(key);
}

/** Writers change a key and its twin together. */
function checkWhole(events: readonly StoreEvent[], revision: Revision): void {
  const said = new Map(
    events.map((event) => [keyOf(event), event.type === 'put' ? textOf(event.entry) : '-']),
  );
  for (const [key, text] of said) {
    const other = key.endsWith('/twin') ? key.slice(0, -5) : `${key}/twin`;
    if (key.lastIndexOf('/') > 0 && said.get(other) !== text)
      throw new Error(`the commit of ${key} at ${revision} is there by half`);
  }
}

function checkState(state: ReadonlyMap<string, Entry>, entries: readonly Entry[]): void {
  const faults = entries.filter((entry) => {
    const known = state.get(entry.key);
    return known?.revision !== entry.revision || textOf(known) !== textOf(entry);
  });
  const [fault] = faults;
  if (fault) throw new Error(`${fault.key} is not what its past made of it`);
  if (entries.length !== state.size)
    throw new Error(`${state.size} keys should be there, not ${entries.length}`);
}

function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}

/** Without what fills it up. */
function textOf(entry: Entry): string {
  return Buffer.from(entry.value).toString().replace(/\.*$/, '');
}
