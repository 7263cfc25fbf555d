import { onNodeKeys } from '../authentication/removed-nodes.ts';
import type { ObjectReader } from '../contract.ts';
import type { NodeLinks } from './node-links.ts';

/** Ends the tunnels of nodes that are removed: a connection is authenticated once, and lives on by itself. */
export function dropRemovedNodes(objects: ObjectReader, links: NodeLinks, signal: AbortSignal): void {
  onNodeKeys(objects, signal, (isRemoved) => {
    for (const node of links.nodes()) if (isRemoved(node)) links.drop(node);
  });
}
