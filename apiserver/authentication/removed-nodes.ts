import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { boundKeys, NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { Identity } from '#machinery/transport.ts';
import { nodeNameOf } from '../authorization/node.ts';
import type { ObjectReader } from '../contract.ts';

const KEY = `${NODE_KEYS.namespace}/${NODE_KEYS.name}`;

/** Calls `act` with each change of what nodes there are, until `signal` aborts; `isRemoved` tells of one that was removed. */
export function onNodeKeys(
  objects: ObjectReader,
  signal: AbortSignal,
  act: (isRemoved: (node: string) => boolean) => void,
): void {
  const stop = objects.onChange(ConfigMapKind, (key, map) => {
    if (key === KEY) act((node) => boundKeys(map?.data, node)?.removedMs !== undefined);
  });
  signal.addEventListener('abort', stop, { once: true });
}

/** Ends what nodes began before they were removed: who watches is authenticated once, and would be told of changes for half an hour. */
export class RemovedNodes {
  /** Of nodes that have begun something. */
  readonly #ends = new Map<string, AbortController>();

  /** Until `signal` aborts. */
  constructor(objects: ObjectReader, signal: AbortSignal) {
    onNodeKeys(objects, signal, (isRemoved) => {
      for (const [node, end] of this.#ends) {
        if (!isRemoved(node)) continue;
        this.#ends.delete(node);
        end.abort();
      }
    });
  }

  /** Aborts when the node that the identity is has been removed; undefined for who is no node. */
  endOf(identity: Identity): AbortSignal | undefined {
    const node = nodeNameOf(identity);
    if (node === undefined) return undefined;
    const end = this.#ends.get(node) ?? new AbortController();
    this.#ends.set(node, end);
    return end.signal;
  }
}
