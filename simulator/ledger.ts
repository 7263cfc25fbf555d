import { isStatus } from '#machinery/errors.ts';

/** Number of replicas, or that it is not there. */
type State = number | 'gone';

/**
 * What people were told. A write that was acknowledged leaves one state possible; one whose answer was lost leaves the
 * old and the new one. For each name there is one write at a time: of two that overlap nobody could say which came last.
 */
export class Ledger {
  readonly #writing = new Set<string>();
  readonly #possible = new Map<string, ReadonlySet<State>>();

  /** Does the write and notes what it may have left. `same` = it changes neither. */
  async write(name: string, to: State | 'same', act: () => Promise<unknown>): Promise<void> {
    if (this.#writing.has(name)) return;
    this.#writing.add(name);
    const before = this.possible(name);
    const after = to === 'same' ? before : new Set<State>([to]);
    try {
      // While it is under way both may be seen.
      this.#possible.set(name, new Set([...before, ...after]));
      await act();
      this.#possible.set(name, after);
    } catch (error) {
      if (!isStatus(error)) throw error;
      if (isStatus(error, 'ServiceUnavailable', 'Timeout', 'InternalError', 'ServerTimeout')) return;
      this.#possible.set(name, before);
    } finally {
      this.#writing.delete(name);
    }
  }

  possible(name: string): ReadonlySet<State> {
    return this.#possible.get(name) ?? new Set<State>(['gone']);
  }

  names(): string[] {
    return [...this.#possible.keys()];
  }
}
