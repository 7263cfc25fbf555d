import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { CONTROL_PLANE_ROLE, NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { bindKey, boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
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

/**
 * Labels the node of this server's machine as one of the control plane when it is first seen: no node may do that itself. Who takes the label
 * away meanwhile is left alone. Returns what ends it. Source: Kubernetes, "Well-Known Labels", node-role.kubernetes.io/control-plane.
 */
export function labelOwnNode(engine: Engine, name: string, log: Logger): () => void {
  let isDone = false;
  return engine.onChange(NodeKind, (key, node) => {
    if (key !== name) return;
    if (!node) {
      isDone = false;
      return;
    }
    if (isDone) return;
    isDone = true;
    if (node.metadata.labels?.[CONTROL_PLANE_ROLE] !== undefined) return;
    engine.update(NodeKind, name, undefined, BOOTSTRAP_ACTOR, withRole).catch((error: unknown) => {
      // The next heartbeat brings it again.
      isDone = false;
      log.warn('The node could not be labelled as one of the control plane', { error: messageOf(error) });
    });
  });
}

function withRole(node: Node): Node {
  const labels = { ...node.metadata.labels, [CONTROL_PLANE_ROLE]: '' };
  return { ...node, metadata: { ...node.metadata, labels } };
}
