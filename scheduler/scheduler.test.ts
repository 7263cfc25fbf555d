import { describe, expect, it } from 'vitest';
import { EventKind } from '#api/kinds/event.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Node, Pod } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { Running } from '#machinery/component.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { schedulerComponent } from './scheduler.ts';

interface Run {
  cluster: FakeCluster;
  clock: VirtualClock;
  scheduler: Running;
}

async function start(arrange: (cluster: FakeCluster) => Promise<void>): Promise<Run> {
  const clock = new VirtualClock();
  const cluster = new FakeCluster({ clock, random: seededRandom(1) });
  await arrange(cluster);
  const deps = { client: cluster.client, clock, random: seededRandom(2), log: silentLogger };
  const scheduler = await schedulerComponent.start(deps, new AbortController().signal);
  return { cluster, clock, scheduler };
}

function node(name: string, cpu = '1'): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: {
      allocatable: { cpu, memory: '4Gi', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function pod(name: string, cpu = '400m'): Pod {
  const containers = [{ name: 'main', resources: { requests: { cpu } } }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec: { containers } };
}

const nodeOf = ({ cluster }: Run, name: string) =>
  cluster.get(PodKind, { namespace: 'default', name })?.spec?.nodeName;

describe('the scheduler', () => {
  it('binds every pod, never more than a node holds, whichever step fails', async () => {
    const arrange = async (cluster: FakeCluster) => {
      for (const name of ['n1', 'n2']) await cluster.client.create(NodeKind, node(name));
      for (const name of ['a', 'b', 'c', 'd']) await cluster.client.create(PodKind, pod(name));
    };
    for (let write = -1; write < 10; write++) {
      for (const when of ['before', 'after'] as const) {
        const run = await start(async (cluster) => {
          await arrange(cluster);
          if (write >= 0) cluster.failWrite(write, when);
        });
        await run.clock.advance(30_000);
        const places = ['a', 'b', 'c', 'd'].map((name) => nodeOf(run, name)).sort();
        expect(places).toEqual(['n1', 'n1', 'n2', 'n2']);
        await run.scheduler.stop();
      }
    }
  });

  it('says why a pod fits nowhere, once, and places it when room is made', async () => {
    const run = await start(async (cluster) => {
      await cluster.client.create(NodeKind, node('n1'));
      await cluster.client.create(PodKind, pod('big', '900m'));
    });
    await run.clock.advance(1000);
    await run.cluster.client.create(PodKind, pod('late', '900m'));
    await run.clock.advance(90_000);
    const late = run.cluster.get(PodKind, { namespace: 'default', name: 'late' })!;
    expect(late.status?.conditions).toMatchObject([
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message: '0/1 nodes are available: 1 Insufficient cpu.',
      },
    ]);
    const events = run.cluster.all(EventKind).filter(({ reason }) => reason === 'FailedScheduling');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      message: '0/1 nodes are available: 1 Insufficient cpu.',
      type: 'Warning',
    });
    const labels = 'profile="default-scheduler",result';
    expect(run.scheduler.metrics!()).toContain('scheduler_pending_pods{queue="unschedulable"} 1\n');
    expect(run.scheduler.metrics!()).toMatch(
      new RegExp(`^scheduler_schedule_attempts_total\\{${labels}="unschedulable"\\} [1-9]`, 'm'),
    );
    run.cluster.remove(PodKind, run.cluster.get(PodKind, { namespace: 'default', name: 'big' })!);
    await run.clock.advance(15_000);
    expect(nodeOf(run, 'late')).toBe('n1');
    expect(run.scheduler.metrics!()).toContain('scheduler_pending_pods{queue="unschedulable"} 0\n');
    expect(run.scheduler.metrics!()).toContain(
      `scheduler_schedule_attempts_total{${labels}="scheduled"} 2\n`,
    );
    await run.scheduler.stop();
  });

  it('places waiting pods on a node that comes later', async () => {
    const run = await start(async (cluster) => {
      await cluster.client.create(PodKind, pod('a'));
    });
    await run.clock.advance(2000);
    expect(run.cluster.all(EventKind).map(({ message }) => message)).toEqual([
      'no nodes available to schedule pods',
    ]);
    await run.cluster.client.create(NodeKind, node('n1'));
    await run.clock.advance(2000);
    expect(nodeOf(run, 'a')).toBe('n1');
    await run.scheduler.stop();
  });

  it('does not look again because of heartbeats', async () => {
    const run = await start(async (cluster) => {
      await cluster.client.create(NodeKind, node('n1'));
      await cluster.client.create(PodKind, pod('big', '3'));
    });
    for (let beat = 0; beat < 20; beat++) {
      await run.clock.advance(1000);
      run.cluster.change(NodeKind, { name: 'n1' }, (one) => {
        one.status!.conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: String(beat) }];
      });
    }
    const [event] = run.cluster.all(EventKind);
    expect(event?.reason).toBe('FailedScheduling');
    expect(event?.series).toBeUndefined();
    await run.scheduler.stop();
  });

  it('leaves alone pods of other schedulers, gated ones and those that are going', async () => {
    const run = await start(async (cluster) => {
      await cluster.client.create(NodeKind, node('n1'));
      const other = pod('other');
      other.spec!.schedulerName = 'mine';
      const gated = pod('gated');
      gated.spec!.schedulingGates = [{ name: 'wait' }];
      const going = pod('going');
      going.metadata.finalizers = ['test/hold'];
      for (const one of [other, gated, going]) await cluster.client.create(PodKind, one);
      await cluster.client.delete(PodKind, going.metadata);
    });
    await run.clock.advance(5000);
    expect(['other', 'gated', 'going'].map((name) => nodeOf(run, name))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    run.cluster.change(PodKind, { namespace: 'default', name: 'gated' }, (one) => {
      delete one.spec!.schedulingGates;
    });
    await run.clock.advance(1000);
    expect(nodeOf(run, 'gated')).toBe('n1');
    await run.scheduler.stop();
  });
});
