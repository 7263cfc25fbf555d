import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { boundKeys, NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { ObjectReader } from '../contract.ts';
import type { NodeLinks } from './node-links.ts';

const KEY = `${NODE_KEYS.namespace}/${NODE_KEYS.name}`;

/** Ends the tunnels of nodes that are removed: a connection is authenticated once, and lives on by itself. */
export function dropRemovedNodes(objects: ObjectReader, links: NodeLinks, signal: AbortSignal): void {
  const stop = objects.onChange(ConfigMapKind, (key, map) => {
    if (key !== KEY) return;
    for (const node of links.nodes())
      if (boundKeys(map?.data, node)?.removedMs !== undefined) links.drop(node);
  });
  signal.addEventListener('abort', stop, { once: true });
}
