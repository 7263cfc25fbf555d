/** Says of a node whether its version fits the server's, by the condition `VersionSkew`. */
import type { Kind } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { conditionOf, withCondition } from '#api/semantics/conditions.ts';
import { nodeSkew } from '#api/semantics/version-skew.ts';
import type { Plan } from '../framework/contract.ts';

const TYPE = 'VersionSkew';

/** A node that always fitted has no such condition. */
export function planVersion(node: Node, serverVersion: string, now: number): Plan<Kind<Node>> {
  const { metadata, status } = node;
  const old = conditionOf(status?.conditions, TYPE);
  const skew = nodeSkew(status?.nodeInfo?.kubeletVersion, serverVersion);
  if (metadata.deletionTimestamp || (!skew && old?.status !== 'True') || (skew && old?.message === skew))
    return { actions: [] };
  const message = skew ?? 'the version of the node fits the one of the server';
  const why = { reason: skew ? 'VersionUnsupported' : 'VersionSupported', message };
  const next = { type: TYPE, status: skew ? 'True' : 'False', ...why };
  const conditions = withCondition(status?.conditions ?? [], next, now);
  return {
    actions: [
      { do: 'updateStatus', kind: NodeKind, object: { ...node, status: { ...status, conditions } }, why },
      { do: 'event', about: node, type: skew ? 'Warning' : 'Normal', why },
    ],
  };
}
