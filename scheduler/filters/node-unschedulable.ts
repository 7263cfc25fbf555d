import { tolerates } from '#api/semantics/taints.ts';
import type { Filter } from '../contract.ts';

const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** A cordoned node takes only pods that tolerate it. */
export const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  refuses({ spec }, { node }) {
    if (!node?.spec?.unschedulable) return undefined;
    if (spec.tolerations?.some((toleration) => tolerates(toleration, TAINT))) return undefined;
    return [{ reason: 'NodeUnschedulable', message: 'node(s) were unschedulable' }];
  },
};
