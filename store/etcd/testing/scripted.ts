/** An etcd that answers as it is told to: what servers with published faults send, message by message. */
import type { IEvent, IWatchResponse } from 'etcd3';
import type { Revision } from '../../contract.ts';
import type { Connection, WatchStream } from '../connection.ts';
import { EtcdUnavailableError } from '../errors.ts';
import type { KeyLayout } from '../key-layout.ts';

/** A change as a server sends it. */
export interface ScriptedChange {
  revision: Revision;
  key: string;
  /** Undefined = deleted. */
  value?: string;
  previous?: string;
  /** What the commit wrote to its record; a commit of another is another record. */
  record?: string;
}

/** One message of a watch: its changes, or that it was compacted. */
export type Message = readonly ScriptedChange[] | { compacted: Revision };

/**
 * The part of a connection that a watch needs. Each stream sends its script and then breaks; the last script is sent to
 * every stream after it too, which stay open. `asked`: the revisions that they were to begin at.
 */
export class ScriptedEtcd {
  readonly asked: Revision[] = [];
  readonly #layout: KeyLayout;
  readonly #streams: (readonly Message[])[];
  readonly #closed = new AbortController();

  constructor(layout: KeyLayout, streams: readonly (readonly Message[])[]) {
    this.#layout = layout;
    this.#streams = [...streams];
  }

  get connection(): Connection {
    const closed = () => this.#closed.signal.aborted;
    return {
      get closed() {
        return closed();
      },
      closing: this.#closed.signal,
      pause: () => new Promise((resolve) => setImmediate(resolve)),
      repeat: (call: (options: object) => Promise<unknown>) => call({}),
      unavailable: (error: unknown) => new EtcdUnavailableError(String(error)),
      watchStream: async () => this.#stream(),
    } as unknown as Connection;
  }

  close(): void {
    this.#closed.abort();
  }

  #stream(): WatchStream {
    const over = new AbortController();
    const last = this.#streams.length === 1;
    const messages = last ? this.#streams[0] : this.#streams.shift();
    const toResponse = (message: Message) => this.#response(message);
    const asked = (revision: Revision) => this.asked.push(revision);
    return {
      write: ({ create_request }: { create_request: { start_revision: number } }) =>
        asked(create_request.start_revision),
      end: () => over.abort(),
      cancel: () => over.abort(),
      on() {
        return this;
      },
      async *[Symbol.asyncIterator]() {
        for (const message of messages ?? []) yield toResponse(message);
        if (!last) return;
        await new Promise<void>((resolve) => {
          if (over.signal.aborted) resolve();
          over.signal.addEventListener('abort', () => resolve());
        });
      },
    } as unknown as WatchStream;
  }

  #response(message: Message): IWatchResponse {
    const changes = 'compacted' in message ? [] : message;
    return {
      compact_revision: 'compacted' in message ? String(message.compacted) : '0',
      canceled: 'compacted' in message,
      fragment: false,
      events: changes.flatMap((change) => this.#events(change)),
    } as unknown as IWatchResponse;
  }

  #events({ revision, key, value, previous, record = `commit ${revision}` }: ScriptedChange): IEvent[] {
    const kv = (name: Buffer, text: string, version: string) => ({
      ...{ key: name, value: Buffer.from(text), version },
      ...{ mod_revision: String(revision), create_revision: '1' },
    });
    const name = this.#layout.toEtcd(key);
    const before = previous === undefined ? undefined : kv(name, previous, '1');
    const version = previous === undefined ? '1' : '2';
    return [
      { type: value === undefined ? 'Delete' : 'Put', kv: kv(name, value ?? '', version), prev_kv: before },
      { type: 'Put', kv: kv(this.#layout.record, record, '2'), prev_kv: kv(this.#layout.record, '', '1') },
    ] as unknown as IEvent[];
  }
}
