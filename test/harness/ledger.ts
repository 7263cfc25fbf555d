/**
 * What the server has acknowledged, so that a test can say after a crash whether anything of it is missing. Values only
 * grow: a later read that shows an older value has lost a write too.
 */
export class Ledger {
  readonly #acknowledged = new Map<string, number>();

  acknowledge(name: string, value: number): void {
    if (value > (this.#acknowledged.get(name) ?? -1)) this.#acknowledged.set(name, value);
  }

  get size(): number {
    return this.#acknowledged.size;
  }

  /** One line for each acknowledged write that `held` does not show. */
  lost(held: ReadonlyMap<string, number>): string[] {
    const lines: string[] = [];
    for (const [name, value] of this.#acknowledged) {
      const now = held.get(name);
      if (now === undefined) lines.push(`${name}: acknowledged at ${value}, not there`);
      else if (now < value) lines.push(`${name}: acknowledged at ${value}, holds ${now}`);
    }
    return lines;
  }
}
