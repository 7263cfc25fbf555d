import { beforeEach, describe, expect, it } from 'vitest';
import { EventKind } from '#api/kinds/event.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import { type EventRecorder, eventRecorder } from './events.ts';
import { FakeCluster } from './fake/fake-cluster.ts';

let clock: VirtualClock;
let cluster: FakeCluster;
let crash: AbortController;
let events: EventRecorder;

beforeEach(() => {
  clock = new VirtualClock();
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  crash = new AbortController();
  const { client } = cluster;
  events = eventRecorder({ client, clock, component: 'kubelet', host: 'n1', signal: crash.signal });
});

const pod = (name = 'web') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'ns', uid: `u-${name}` },
});
const pulled = { reason: 'Pulled', message: 'the image is there' };

describe('the recorder of events', () => {
  it('tells what happened to what, and who says so', async () => {
    events.record(pod(), 'Normal', pulled, 'spec.containers{main}');
    await events.flush();
    expect(cluster.all(EventKind)).toMatchObject([
      {
        involvedObject: {
          kind: 'Pod',
          name: 'web',
          namespace: 'ns',
          uid: 'u-web',
          fieldPath: 'spec.containers{main}',
        },
        reason: 'Pulled',
        type: 'Normal',
        count: 1,
        source: { component: 'kubelet', host: 'n1' },
        metadata: { namespace: 'ns' },
      },
    ]);
  });

  it('counts the same happening in one event', async () => {
    for (let i = 0; i < 3; i++) events.record(pod(), 'Normal', pulled);
    await clock.advance(1000);
    events.record(pod(), 'Normal', pulled);
    await events.flush();
    expect(cluster.all(EventKind)).toMatchObject([{ count: 4, lastTimestamp: '2026-01-01T00:00:01Z' }]);
  });

  it('tells what a scheduler does in the newer form', async () => {
    const action = () => 'Binding';
    const { client } = cluster;
    const scheduler = eventRecorder({ client, clock, component: 's', signal: crash.signal, action });
    scheduler.record(pod(), 'Normal', pulled);
    await scheduler.flush();
    const [event] = cluster.all(EventKind);
    expect(event).toMatchObject({
      action: 'Binding',
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingComponent: 's',
    });
    expect(event).not.toHaveProperty('lastTimestamp');
    scheduler.record(pod(), 'Normal', pulled);
    await scheduler.flush();
    expect(cluster.all(EventKind)).toMatchObject([{ series: { count: 2 } }]);
  });

  it('cuts a long message where the server would refuse it, between characters', async () => {
    events.record(pod(), 'Normal', { reason: 'Long', message: `a${'ä'.repeat(600)}` });
    await events.flush();
    expect(cluster.all(EventKind)[0]?.message).toBe(`a${'ä'.repeat(511)}`);
  });

  it('begins anew when its event has been deleted meanwhile', async () => {
    events.record(pod(), 'Normal', pulled);
    await events.flush();
    cluster.remove(EventKind, cluster.all(EventKind)[0]!);
    events.record(pod(), 'Normal', pulled);
    await events.flush();
    expect(cluster.all(EventKind)).toMatchObject([{ count: 1 }]);
  });

  it('silences an object that talks too much, and no other', async () => {
    for (let i = 0; i < 100; i++) events.record(pod(), 'Normal', { reason: 'Noise', message: String(i) });
    events.record(pod('quiet'), 'Normal', pulled);
    await events.flush();
    expect(cluster.all(EventKind)).toHaveLength(26);
  });

  it('tries again when the server is away for a moment', async () => {
    cluster.failWrite(0);
    events.record(pod(), 'Normal', pulled);
    await clock.advance(5000);
    expect(cluster.all(EventKind)).toHaveLength(1);
  });

  it('gives up what is refused, and never fails its caller', async () => {
    cluster.intercept(() => new StatusError('Forbidden', 'the namespace is being deleted'));
    events.record(pod(), 'Normal', pulled);
    await events.flush();
    expect(cluster.calls).toHaveLength(1);
  });

  it('puts events of cluster-scoped objects into the default namespace', async () => {
    events.record({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }, 'Normal', pulled);
    await events.flush();
    expect(cluster.all(EventKind)[0]?.metadata.namespace).toBe('default');
  });
});
