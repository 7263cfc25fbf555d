import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { bindKey, boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import { BOOTSTRAP_ACTOR } from '../authorization/reconcile.ts';
import type { Engine } from '../contract.ts';
import { ensure } from './ensure.ts';

/** The node on this server's machine, and the key (see keyHashOf) that the server has certified for it itself. */
export interface OwnNode {
  name: string;
  keyHash: string;
}

/**
 * Binds the name to the key, so that no token can take it. Resolves to false, and changes nothing, when another machine has joined
 * under that name.
 */
export async function bindOwnNode(engine: Engine, { name, keyHash }: OwnNode): Promise<boolean> {
  const { name: map, namespace } = NODE_KEYS;
  await ensure(engine, ConfigMapKind, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...NODE_KEYS } });
  let isOurs = true;
  await engine.update(ConfigMapKind, map, namespace, BOOTSTRAP_ACTOR, (current) => {
    const bound = boundKeys(current.data, name);
    isOurs = bound?.server === true || bound?.removedMs !== undefined || bound === undefined;
    if (!isOurs) return current;
    const before = bound?.removedMs === undefined ? bound : undefined;
    const entry = boundKeysText({ ...bindKey(before, keyHash), server: true });
    return { ...current, data: { ...current.data, [name]: entry } };
  });
  return isOurs;
}
