import type { ConfigMap } from '#api/objects.ts';
import type { ApiAnswer, Say } from './api-writer.ts';

/** A line of a watch, as the API sends it. */
export interface WatchLine {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: Partial<ConfigMap> & { code?: number };
}

interface Deps {
  writer: string;
  namespace: string;
  servers: readonly string[];
  list(server: string, path: string): Promise<ApiAnswer>;
  /** Gives each line to `take`, until the watch ends in whatever way. */
  watch(server: string, path: string, take: (line: WatchLine) => void): Promise<void>;
  say: Say;
}

/**
 * An informer that knows what it was promised: it lists once and then follows watches, of one server after the other, each from
 * where the last one ended. No event may be of the past, and at the end every object must have come.
 */
export class Watcher {
  readonly #deps: Deps;
  readonly #names = new Set<string>();
  /** Undefined: what comes next is a list, for it has no place in the history, or none that is kept. */
  #at: bigint | undefined;
  #newest = 0n;
  #turn = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** One list or one watch, at the next server. */
  async step(): Promise<void> {
    const { servers, namespace } = this.#deps;
    const server = servers[this.#turn++ % servers.length]!;
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    if (this.#at === undefined) return await this.#list(server, path);
    const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=30&resourceVersion=${this.#at}`;
    await this.#deps.watch(server, `${path}?${query}`, (line) => this.#take(line));
  }

  /** Of the names those that neither a list nor an event has told. */
  missing(names: Iterable<string>): string[] {
    return [...names].filter((name) => !this.#names.has(name));
  }

  async #list(server: string, path: string): Promise<void> {
    const answer = await this.#deps.list(server, path);
    if (!('status' in answer) || answer.status !== 200) return;
    const list = answer.body as unknown as { metadata: { resourceVersion: string }; items: ConfigMap[] };
    const version = BigInt(list.metadata.resourceVersion);
    if (version < this.#newest) this.#broken(`a list is of ${version}, after an event of ${this.#newest}`);
    for (const { metadata } of list.items) this.#names.add(metadata.name);
    this.#reach(version);
  }

  #take({ type, object }: WatchLine): void {
    if (type === 'ERROR') {
      // Its past is no longer kept: that may be, and a list follows.
      if (object.code === 410) this.#at = undefined;
      return;
    }
    const version = BigInt(object.metadata!.resourceVersion!);
    const isBack = type === 'BOOKMARK' ? version < this.#newest : version <= this.#newest;
    if (isBack) this.#broken(`${type} of ${object.metadata!.name} at ${version}, after ${this.#newest}`);
    if (type === 'DELETED') this.#broken(`${object.metadata!.name} was deleted, and nobody has done so`);
    if (type === 'ADDED') this.#names.add(object.metadata!.name);
    this.#reach(version);
  }

  #reach(version: bigint): void {
    this.#at = version;
    if (version > this.#newest) this.#newest = version;
  }

  #broken(why: string): void {
    this.#deps.say({ op: 'broken', writer: this.#deps.writer, why });
  }
}
