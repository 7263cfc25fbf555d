/** How far a reader may fall behind before it is told to start over. */
const BACKLOG_LIMIT = 10_000;

interface Reader<T> {
  queue: T[];
  wake: () => void;
  overrun: boolean;
}

/** Hands every value to all who are reading at that time; each reader has its own bounded queue. */
export class Broadcast<T> {
  readonly #readers = new Set<Reader<T>>();

  send(value: T): void {
    for (const reader of this.#readers) {
      if (reader.queue.length < BACKLOG_LIMIT) reader.queue.push(value);
      else reader.overrun = true;
      reader.wake();
    }
  }

  /**
   * Values sent from the moment of this call (not of the first `next`) until `signal` aborts. Throws RangeError when
   * the reader fell more than 10,000 values behind: it has missed some and must list again.
   */
  read(signal: AbortSignal): AsyncIterable<T> {
    const reader: Reader<T> = { queue: [], wake: () => {}, overrun: false };
    const readers = this.#readers;
    readers.add(reader);
    const abort = () => {
      readers.delete(reader);
      reader.wake();
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return (async function* () {
      try {
        while (!signal.aborted) {
          while (reader.queue.length > 0) yield reader.queue.shift()!;
          if (reader.overrun) throw new RangeError(`a watcher fell ${BACKLOG_LIMIT} events behind`);
          if (signal.aborted) return;
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        }
      } finally {
        readers.delete(reader);
        signal.removeEventListener('abort', abort);
      }
    })();
  }
}
