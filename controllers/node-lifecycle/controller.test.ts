import { expect, it } from 'vitest';
import { LeaseKind } from '#api/kinds/lease.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Node } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { NODE_LEASE_NAMESPACE, renewNodeLease } from '#client/leases.ts';
import { rfc3339, rfc3339Micro } from '#machinery/clock.ts';
import { failEveryStepOnce, openLab, type Scene } from '../framework/lab.ts';
import { fresh, markRunning, pod } from '../framework/worlds.ts';
import { nodeLifecycleController } from './controller.ts';

const scene: Scene = {
  world: (cluster) => beat(cluster),
  roster: [nodeLifecycleController()],
  async arrange(cluster) {
    const node: Node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1' },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    };
    const { metadata } = await cluster.client.create(NodeKind, node);
    await renewNodeLease(cluster.client, cluster.clock, { name: 'node-1', uid: metadata.uid! });
    await cluster.client.create(NodeKind, { ...node, metadata: { name: 'node-2' } });
    const patient = pod('patient', {});
    patient.spec!.tolerations = [
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', tolerationSeconds: 60 },
    ];
    for (const one of [pod('hasty', {}), patient])
      markRunning(cluster, await cluster.client.create(PodKind, fresh(one)));
  },
};

/** The other one goes on saying that it is there. */
function beat(cluster: FakeCluster): void {
  const ref = { namespace: NODE_LEASE_NAMESPACE, name: 'node-2' };
  if (!cluster.get(LeaseKind, ref)) {
    const metadata = { ...ref, uid: 'l', creationTimestamp: rfc3339(cluster.clock.now()) };
    cluster.store(LeaseKind, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata }, 'added');
  }
  cluster.change(LeaseKind, ref, (lease) => {
    lease.spec = { renewTime: rfc3339Micro(cluster.clock.now()) as never };
  });
}

const ready = (cluster: FakeCluster) =>
  conditionOf(cluster.get(NodeKind, { name: 'node-1' })?.status?.conditions, 'Ready')?.status;
const staying = (cluster: FakeCluster) =>
  cluster
    .all(PodKind)
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata }) => metadata.name);

it('a node that falls silent is marked, its pods go when their patience ends, and it comes back', async () => {
  const lab = await openLab(scene);
  await lab.settle(30_000);
  expect(ready(lab.cluster)).toBe('True');
  await lab.settle(15_000);
  expect(ready(lab.cluster)).toBe('Unknown');
  expect(staying(lab.cluster)).toEqual(['patient']);
  const metrics = lab.controllers.metrics!();
  expect(metrics).toContain('node_collector_zone_size{zone=""} 2\n');
  expect(metrics).toContain('node_collector_unhealthy_nodes_in_zone{zone=""} 1\n');
  expect(metrics).toMatch(/^workqueue_adds_total\{name="node-lifecycle-controller"\} [1-9]/m);
  await lab.settle(60_000);
  expect(staying(lab.cluster)).toEqual([]);
  await renewNodeLease(lab.cluster.client, lab.clock, { name: 'node-1', uid: 'u' });
  lab.cluster.change(NodeKind, { name: 'node-1' }, (node) => {
    node.status!.conditions = [{ type: 'Ready', status: 'True' }];
  });
  await lab.settle(5000);
  expect(lab.cluster.get(NodeKind, { name: 'node-1' })?.spec?.taints).toEqual([]);
  await lab.stop();
});

it('a silent node is tainted whichever step fails', async () => {
  // The lease came long before the controllers started, and is counted from their start.
  const silent: Scene = { ...scene, settleMs: 60_000 };
  await failEveryStepOnce(silent, (cluster) => {
    expect(ready(cluster)).toBe('Unknown');
    expect(cluster.get(NodeKind, { name: 'node-1' })?.spec?.taints).toHaveLength(2);
    expect(staying(cluster)).toEqual(['patient']);
  });
});

it('when every node was silent and one is heard again, the others have their grace anew', async () => {
  let heard: 'both' | 'nobody' | 'node-2' = 'both';
  const lab = await openLab({
    ...scene,
    roster: [nodeLifecycleController()],
    world(cluster) {
      if (heard !== 'nobody') beat(cluster);
      if (heard === 'both') void renewNodeLease(cluster.client, cluster.clock, { name: 'node-1', uid: 'u' });
    },
  });
  await lab.settle(30_000);
  heard = 'nobody';
  await lab.settle(120_000);
  heard = 'node-2';
  await lab.settle(1_000);
  lab.cluster.change(NodeKind, { name: 'node-2' }, (node) => {
    node.status!.conditions = [{ type: 'Ready', status: 'True' }];
  });
  await lab.settle(35_000);
  expect(staying(lab.cluster).sort()).toEqual(['hasty', 'patient']);
  await lab.settle(20_000);
  expect(staying(lab.cluster)).toEqual(['patient']);
  await lab.stop();
});

it('when every node falls silent nothing is taken from anybody', async () => {
  const lab = await openLab({ ...scene, world: () => {} });
  await lab.settle(300_000);
  expect(ready(lab.cluster)).toBe('Unknown');
  expect(staying(lab.cluster).sort()).toEqual(['hasty', 'patient']);
  for (const one of lab.cluster.all(PodKind))
    expect(conditionOf(one.status?.conditions, 'Ready')?.status).toBe('True');
  await lab.stop();
});
