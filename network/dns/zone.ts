/**
 * The names this node answers by itself, in memory. Whoever owns records (a Service, a Pod) replaces all of its own at
 * once; readers never see half. Names are lower case without a final dot.
 */
export type ZoneRecord =
  | { name: string; type: 'A' | 'AAAA' | 'PTR' | 'CNAME' | 'NS' | 'TXT'; data: string }
  | { name: string; type: 'SRV'; data: { priority: number; weight: number; port: number; target: string } };

export class Zone {
  /** `cluster.local`: every name below it is ours, there or not. */
  readonly domain: string;
  readonly #byName = new Map<string, Map<string, ZoneRecord[]>>();
  readonly #byOwner = new Map<string, ZoneRecord[]>();
  /** Names that exist because something below them does (RFC 8020), with how many records are below. */
  readonly #above = new Map<string, number>();
  /** Grows with every change: answers made before are stale. */
  generation = 0;
  #whole: boolean;

  /** `whole`: false when its records are still to come; then it cannot say that a name does not exist. */
  constructor(domain: string, whole = true) {
    this.domain = domain.toLowerCase();
    this.#whole = whole;
  }

  get whole(): boolean {
    return this.#whole;
  }

  /** From now on what is not in it does not exist. */
  complete(): void {
    if (this.#whole) return;
    this.#whole = true;
    this.generation++;
  }

  /** Makes `records` all that `owner` has. */
  set(owner: string, records: readonly ZoneRecord[]): void {
    this.delete(owner);
    if (records.length === 0) return;
    this.#byOwner.set(owner, [...records]);
    for (const record of records) {
      const owners = this.#byName.get(record.name) ?? new Map<string, ZoneRecord[]>();
      this.#byName.set(record.name, owners);
      const own = owners.get(owner) ?? [];
      owners.set(owner, [...own, record]);
      this.#count(record.name, 1);
    }
    this.generation++;
  }

  delete(owner: string): void {
    const records = this.#byOwner.get(owner);
    if (!records) return;
    this.#byOwner.delete(owner);
    for (const { name } of records) {
      const owners = this.#byName.get(name);
      owners?.delete(owner);
      if (owners?.size === 0) this.#byName.delete(name);
      this.#count(name, -1);
    }
    this.generation++;
  }

  owners(): string[] {
    return [...this.#byOwner.keys()];
  }

  /** All records of a name; undefined when the name does not exist (empty when only names below it do). */
  lookup(name: string): ZoneRecord[] | undefined {
    const owners = this.#byName.get(name);
    if (owners) return distinct([...owners.values()].flat(), owners.size);
    return this.#above.has(name) || name === this.domain ? [] : undefined;
  }

  #count(name: string, change: number): void {
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const above = name.slice(dot + 1);
      const count = (this.#above.get(above) ?? 0) + change;
      if (count > 0) this.#above.set(above, count);
      else this.#above.delete(above);
    }
  }
}

/** Pods on the node's own network share a name and its record: an answer has it once. */
function distinct(records: ZoneRecord[], owners: number): ZoneRecord[] {
  if (owners < 2) return records;
  return [
    ...new Map(records.map((record) => [`${record.type} ${JSON.stringify(record.data)}`, record])).values(),
  ];
}
