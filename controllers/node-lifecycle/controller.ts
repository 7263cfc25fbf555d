import { LeaseKind } from '#api/kinds/lease.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { NODE_LEASE_NAMESPACE } from '#client/leases.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { planNode } from './plan.ts';

export const nodeLifecycleController = defineController({
  name: 'node-lifecycle-controller',
  for: NodeKind,
  reads: [LeaseKind, PodKind],
  writes: [NodeKind, PodKind],
  wakes: [
    wakeBy(LeaseKind, ({ metadata }) => (metadata.namespace === NODE_LEASE_NAMESPACE ? [metadata.name] : [])),
  ],
  plan(key, node, view, now) {
    if (!node) return { actions: [] };
    // A node without a lease has just been made, or its agent never came: its own age counts.
    const made = Date.parse(node.metadata.creationTimestamp ?? '') || 0;
    const lease = view.seenAt(LeaseKind, `${NODE_LEASE_NAMESPACE}/${key}`);
    const pods = () => view.list(PodKind).filter(({ spec }) => spec?.nodeName === key);
    return planNode({ node, heardAt: lease ?? made, pods }, now);
  },
});
