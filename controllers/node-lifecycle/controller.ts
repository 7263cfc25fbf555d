import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { EndpointSlice, Node } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { NODE_LEASE_NAMESPACE } from '#client/leases.ts';
import type { AnyController, Gauge } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { AfterFull, disruptionOf, GRACE_MS, planNode } from './plan.ts';

/** `graceMs`: how long a node may be silent. */
export function nodeLifecycleController(graceMs = GRACE_MS): AnyController {
  const afterFull = new AfterFull(graceMs);
  return defineController({
    name: 'node-lifecycle-controller',
    for: NodeKind,
    reads: [LeaseKind, PodKind, EndpointSliceKind],
    writes: [NodeKind, PodKind],
    wakes: [
      wakeBy(LeaseKind, ({ metadata }) =>
        metadata.namespace === NODE_LEASE_NAMESPACE ? [metadata.name] : [],
      ),
    ],
    gauges: (view) => zoneGauges(view.list(NodeKind)),
    plan(key, node, view, now) {
      if (!node) return { actions: [] };
      const heard = ({ metadata }: Node) => {
        // A node without a lease has just been made, or its agent never came: its own age counts.
        const made = Date.parse(metadata.creationTimestamp ?? '') || 0;
        return view.seenAt(LeaseKind, `${NODE_LEASE_NAMESPACE}/${metadata.name}`) ?? made;
      };
      const pods = () => view.list(PodKind).filter(({ spec }) => spec?.nodeName === key);
      const disruption = () => {
        const servers = addressesOf(view.get(EndpointSliceKind, 'default/kubernetes'));
        const nodes = view.list(NodeKind).map((one) => ({
          ...{ ready: isReady(one), heardAt: heard(one) },
          atServer: (one.status?.addresses ?? []).some(({ address }) => servers.has(address)),
        }));
        return afterFull.judge(disruptionOf(nodes, now, graceMs), now);
      };
      return planNode({ node, heardAt: heard(node), pods, graceMs, disruption }, now);
    },
  });
}

function addressesOf(slice: EndpointSlice | undefined): Set<string> {
  return new Set((slice?.endpoints ?? []).flatMap(({ addresses }) => addresses));
}

function isReady({ status }: Node): boolean {
  return conditionOf(status?.conditions, 'Ready')?.status === 'True';
}

/** By the zones that nodes are labelled with. Source: kube-controller-manager, node_collector_*. */
function zoneGauges(nodes: readonly Node[]): Gauge[] {
  const zones = Map.groupBy(nodes, ({ metadata }) => metadata.labels?.['topology.kubernetes.io/zone'] ?? '');
  const values = (count: (nodes: readonly Node[]) => number) =>
    [...zones].map(([zone, members]) => ({ labels: { zone }, value: count(members) }));
  return [
    {
      name: 'node_collector_zone_size',
      help: 'Nodes that are registered.',
      values: values(({ length }) => length),
    },
    {
      name: 'node_collector_unhealthy_nodes_in_zone',
      help: 'Those of them that are not Ready.',
      values: values((members) => members.filter((node) => !isReady(node)).length),
    },
  ];
}
