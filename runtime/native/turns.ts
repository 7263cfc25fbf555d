/** Works of one name one after the other, in the order they were asked for; those of different names at once. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Names with work that has not ended. */
  get names(): Iterable<string> {
    return this.#last.keys();
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#last.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(name) === turn) this.#last.delete(name);
    }
  }
}

/** The results of both, or the first error once both have ended: then nothing is still being made. */
export async function together<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const results = await Promise.allSettled([first, second]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return [await first, await second];
}
