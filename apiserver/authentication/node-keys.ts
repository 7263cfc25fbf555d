import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { type BoundKeys, boundKeys, isBoundKey, NODE_KEYS } from '#api/semantics/node-keys.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import type { Identity } from '#machinery/transport.ts';
import { nodeNameOf } from '../authorization/node.ts';
import type { Authenticator, ObjectReader } from '../contract.ts';
import { unauthorized } from './tokens.ts';

/**
 * Lets a node's certificate pass only for the keys that its name is bound to: one whose Node was deleted, or one stolen and since
 * renewed, is of no use. Names that nobody has joined under are not bound.
 */
export function onlyBoundKeys(inner: Authenticator, objects: ObjectReader): Authenticator {
  const hashes = new WeakMap<Uint8Array, string>();
  return {
    name: inner.name,
    async authenticate(credentials): Promise<Identity | undefined> {
      const identity = await inner.authenticate(credentials);
      const node = identity && nodeNameOf(identity);
      if (!identity || !node || !credentials.certificate) return identity;
      const { data } = objects.get(ConfigMapKind, NODE_KEYS.name, NODE_KEYS.namespace) ?? {};
      const bound = boundKeys(data, node);
      if (!bound) return identity;
      let hash = hashes.get(credentials.certificate);
      if (hash === undefined) {
        hash = keyHashOf(credentials.certificate);
        hashes.set(credentials.certificate, hash);
      }
      if (!isBoundKey(bound, hash) || isGone(bound, node, objects)) throw unauthorized();
      return identity;
    },
  };
}

/** Its Node was deleted, and nobody has noted it yet: it must not be made anew meanwhile. */
function isGone({ registered, server }: BoundKeys, node: string, objects: ObjectReader): boolean {
  return registered && !server && !objects.get(NodeKind, node);
}
