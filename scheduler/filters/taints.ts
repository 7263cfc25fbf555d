import type { Taint } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { tolerates, untoleratedTaint } from '#api/semantics/taints.ts';
import type { Filter } from '../contract.ts';
import type { NodeState } from '../node-state.ts';

const NOT_READY: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

/**
 * Taints with NoSchedule and NoExecute that the pod does not tolerate. A node that is not ready counts as tainted even
 * before the node lifecycle controller has said so.
 */
export const taints: Filter = {
  name: 'TaintToleration',
  refuses({ spec }, state) {
    const taint =
      untoleratedTaint(state.node?.spec?.taints, spec.tolerations, ['NoSchedule', 'NoExecute']) ??
      (isReady(state) || spec.tolerations?.some((one) => tolerates(one, NOT_READY)) ? undefined : NOT_READY);
    if (!taint) return undefined;
    const message = `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
    return [{ reason: 'UntoleratedTaint', message }];
  },
};

function isReady({ node }: NodeState): boolean {
  return conditionOf(node?.status?.conditions, 'Ready')?.status === 'True';
}
