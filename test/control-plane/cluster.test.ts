/** The control plane as it is in the product, in one process: real apiserver, all controllers, the scheduler; no node. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EventKind } from '#api/kinds/event.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import type { Node, Pod, Service } from '#api/objects.ts';
import { renewNodeLease } from '#client/leases.ts';
import { controllersComponent } from '#controllers/framework/component.ts';
import { deployment, fresh } from '#controllers/framework/worlds.ts';
import { roster } from '#controllers/index.ts';
import { rfc3339, sleep, systemClock } from '#machinery/clock.ts';
import type { Running } from '#machinery/component.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { schedulerComponent } from '#scheduler/scheduler.ts';
import { type ControlPlane, openControlPlane } from './open.ts';

const clock = systemClock;
const random = systemRandom;
let plane: ControlPlane;
let running: Running[];
let log: LogLine[];

beforeEach(async () => {
  plane = await openControlPlane();
  log = [];
  const crash = new AbortController();
  const controllers = await controllersComponent(
    roster({ clusterCa: 'PEM', clusterCidrs: ['10.244.0.0/16'] }),
  ).start(
    {
      clientFor: () => plane.clientOf('system:kube-controller-manager'),
      clock,
      random,
      log: memoryLogger(log),
    },
    crash.signal,
  );
  const scheduler = await schedulerComponent.start(
    { client: plane.clientOf('system:kube-scheduler'), clock, random, log: memoryLogger(log) },
    crash.signal,
  );
  running = [controllers, scheduler];
  await Promise.all(running.map(({ ready }) => ready));
  // Before the default roles are there the first lists are refused, and asked again.
  log.length = 0;
});

afterEach(async () => {
  await Promise.all(running.map((part) => part.stop()));
  await plane.close();
});

describe('the control plane', () => {
  it('takes a Deployment to bound pods, and a Service to their addresses', async () => {
    await addNode('n1');
    const { client } = plane;
    await accountOf('default');
    await client.create(DeploymentKind, fresh(deployment('web', 3)));
    await client.create(ServiceKind, service());
    await until(async () => (await bound()).length === 3);
    for (const pod of await bound()) await run(pod);
    await until(async () => {
      const { items } = await client.list(EndpointSliceKind, {
        labelSelector: 'kubernetes.io/service-name=web',
      });
      return items[0]?.endpoints?.length === 3;
    });
    await until(async () => {
      const { status } = await client.get(DeploymentKind, { namespace: 'default', name: 'web' });
      return status?.availableReplicas === 3 && status.updatedReplicas === 3;
    });
    const { items } = await client.list(EventKind, { namespace: 'default' });
    const reasons = new Set(items.map(({ reason }) => reason));
    expect([...reasons].sort()).toEqual(['ScalingReplicaSet', 'Scheduled', 'SuccessfulCreate']);
    expect(refusals()).toEqual([]);
  });

  it('says why a pod fits nowhere', async () => {
    await addNode('n1');
    await accountOf('default');
    const requests = { cpu: '100' };
    await plane.client.create(PodKind, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'big', namespace: 'default' },
      spec: { containers: [{ name: 'main', image: 'x', resources: { requests } }] },
    });
    await until(async () => {
      const { status } = await plane.client.get(PodKind, { namespace: 'default', name: 'big' });
      return status?.conditions?.[0]?.message === '0/1 nodes are available: 1 Insufficient cpu.';
    });
  });

  it('deletes a namespace with all that is in it', async () => {
    const { client } = plane;
    await client.create(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'gone' } });
    await accountOf('gone');
    const made = fresh(deployment('web', 3));
    made.metadata.namespace = 'gone';
    await client.create(DeploymentKind, made);
    await until(async () => (await client.list(PodKind, { namespace: 'gone' })).items.length === 3);
    await client.delete(NamespaceKind, { name: 'gone' });
    await until(async () => {
      const { items } = await client.list(NamespaceKind);
      return !items.some(({ metadata }) => metadata.name === 'gone');
    });
    expect((await client.list(ReplicaSetKind, { namespace: 'gone' })).items).toEqual([]);
    expect(refusals()).toEqual([]);
  });

  it('deletes pods and ReplicaSets after their Deployment, in the foreground too', async () => {
    const { client } = plane;
    await accountOf('default');
    await client.create(DeploymentKind, fresh(deployment('web', 3)));
    await until(async () => (await client.list(PodKind)).items.length === 3);
    await client.delete(DeploymentKind, { namespace: 'default', name: 'web' }, { propagation: 'Foreground' });
    await until(async () => (await client.list(DeploymentKind)).items.length === 0);
    expect((await client.list(ReplicaSetKind)).items).toEqual([]);
    await until(async () => (await client.list(PodKind)).items.length === 0);
    expect(refusals()).toEqual([]);
  });

  it('binds a Deployment of 1000 pods on 20 nodes', async () => {
    for (let i = 0; i < 20; i++) await addNode(`n${i}`);
    await accountOf('default');
    const start = clock.monotonic();
    await plane.client.create(DeploymentKind, fresh(deployment('web', 1000)));
    await until(async () => (await bound()).length === 1000);
    process.stdout.write(`1000 pods created and bound in ${Math.round(clock.monotonic() - start)} ms\n`);
    const perNode = new Map<string, number>();
    for (const { spec } of await bound())
      perNode.set(spec!.nodeName!, (perNode.get(spec!.nodeName!) ?? 0) + 1);
    expect([...perNode.values()].sort()).toEqual(Array.from({ length: 20 }, () => 50));
    expect(refusals()).toEqual([]);
  });
});

async function bound(): Promise<Pod[]> {
  const { items } = await plane.client.list(PodKind, { fieldSelector: 'spec.nodeName!=' });
  return items;
}

async function addNode(name: string): Promise<void> {
  const node = await plane.client.create(NodeKind, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
  } as Node);
  await plane.client.updateStatus(NodeKind, {
    ...node,
    status: {
      allocatable: { cpu: '64', memory: '256Gi', pods: '110' },
      capacity: { cpu: '64', memory: '256Gi', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
  await renewNodeLease(plane.client, clock, { name, uid: node.metadata.uid! });
}

async function accountOf(namespace: string): Promise<void> {
  const { ServiceAccountKind } = await import('#api/kinds/service-account.ts');
  await until(async () => (await plane.client.list(ServiceAccountKind, { namespace })).items.length > 0);
}

/** What the node would say of a pod it runs. */
async function run(pod: Pod): Promise<void> {
  const last = Number.parseInt(pod.metadata.uid!.slice(0, 4), 16);
  const podIP = `10.244.${last >> 8}.${last & 255}`;
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: rfc3339(clock.now()) };
  const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [ready] };
  await plane.client.patch(PodKind, pod.metadata, { type: 'merge', body: { status } }, 'status');
}

function service(): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  };
}

/** Warnings that tell of a missing right or a fault; conflicts are part of life. */
function refusals(): LogLine[] {
  return log.filter(({ level }) => level === 'warn' || level === 'error');
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return;
    await sleep(clock, 20);
  }
  throw new Error(`it did not come to pass within 20 s; log: ${JSON.stringify(log.slice(-10), null, 1)}`);
}
