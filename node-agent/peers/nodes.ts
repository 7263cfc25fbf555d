import type { Node } from '#api/objects.ts';
import { peerOf } from '../registration/peers.ts';
import type { PeerNode } from './ask.ts';
import { IMAGE_PORT_ANNOTATION } from './protocol.ts';
import type { PeerAddress } from './tls.ts';

/** Another node as its object tells of it. What it says is only believed once it has shown its key. */
export type KnownPeer = PeerNode & PeerAddress;

/** Undefined: it serves none. */
export function knownPeer(node: Node): KnownPeer | undefined {
  const port = Number(node.metadata.annotations?.[IMAGE_PORT_ANNOTATION]);
  const address = peerOf(node)?.addresses[0];
  if (!address || !Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  const images = new Set((node.status?.images ?? []).flatMap(({ names }) => names ?? []));
  return { name: node.metadata.name, address, port, images };
}
