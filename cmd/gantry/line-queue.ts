/** Lines of JSON for a reader who may be slow or gone: the writer never waits. Bounded by how many do not supersede each other. */
export class LineQueue<T> implements AsyncIterable<Uint8Array> {
  readonly #supersedes: (next: T, last: T) => boolean;
  readonly #gone = new AbortController();
  #lines: T[] = [];
  #over = false;
  #wake: (() => void) | undefined;

  /** `supersedes`: whether a line makes the one before it superfluous, when that was not read yet. */
  constructor(supersedes: (next: T, last: T) => boolean) {
    this.#supersedes = supersedes;
  }

  /** Aborts when the reader goes before the end. */
  get unread(): AbortSignal {
    return this.#gone.signal;
  }

  push(line: T): void {
    const last = this.#lines.at(-1);
    if (last !== undefined && this.#supersedes(line, last)) this.#lines.pop();
    this.#lines.push(line);
    this.#wake?.();
  }

  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        while (this.#lines.length === 0 && !this.#over)
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        const line = this.#lines.shift();
        if (line === undefined) return { done: true, value: undefined };
        return { done: false, value: Buffer.from(`${JSON.stringify(line)}\n`) };
      },
      return: async () => {
        if (!this.#over) this.#gone.abort(new Error('the command ended'));
        return { done: true, value: undefined };
      },
    };
  }
}
