import { beforeEach, expect, test } from 'vitest';
import { PodKind } from '#api/kinds/pod.ts';
import type { Pod, PodStatus } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { type StatusWriter, statusWriter } from './status-writer.ts';

const REF = { name: 'web', namespace: 'default' };
const never = new AbortController().signal;

let clock: VirtualClock;
let cluster: FakeCluster;
let writer: StatusWriter;
let pod: Pod;
let written: PodStatus[];
let lines: LogLine[];

beforeEach(() => {
  clock = new VirtualClock();
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  written = [];
  lines = [];
  writer = statusWriter({
    ...{ client: cluster.client, clock, log: memoryLogger(lines), signal: never },
    onWritten: (_, status) => void written.push(status),
  });
  pod = cluster.create(PodKind, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...REF },
    spec: { containers: [{ name: 'main', image: 'i' }] },
  });
});

const held = () => cluster.get(PodKind, REF)?.status;
const settle = () => clock.advance(0);

test('what somebody may wait for is written at once, words alone a moment later', async () => {
  writer.put(pod, { phase: 'Running' });
  await settle();
  expect(held()?.phase).toBe('Running');
  writer.put(pod, { phase: 'Running', message: 'a word' });
  await settle();
  expect(held()?.message).toBeUndefined();
  await clock.advance(100);
  expect(held()?.message).toBe('a word');
});

test('what is learned in one turn is written once', async () => {
  writer.put(pod, { phase: 'Running' });
  await Promise.resolve();
  writer.put(pod, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
  await settle();
  expect(written).toHaveLength(1);
  expect(held()?.conditions).toMatchObject([{ type: 'Ready', status: 'True' }]);
});

test('what comes while one is written goes out after it, only the newest', async () => {
  const sent = cluster.intercept(() => {
    sent();
    writer.put(pod, { phase: 'Running', message: 'two' });
    writer.put(pod, { phase: 'Running', message: 'three' });
    return undefined;
  });
  writer.put(pod, { phase: 'Running', message: 'one' });
  await clock.advance(200);
  expect(written.map(({ message }) => message)).toEqual(['one', 'three']);
});

test('a server that is away is asked again until it takes the newest', async () => {
  const back = cluster.intercept(() => new StatusError('ServiceUnavailable', 'away'));
  writer.put(pod, { phase: 'Running' });
  await clock.advance(5_000);
  writer.put(pod, { phase: 'Running', message: 'newer' });
  back();
  await clock.advance(10_000);
  expect(held()).toMatchObject({ phase: 'Running', message: 'newer' });
});

test('a pod that ended is never written as running', async () => {
  writer.put(pod, { phase: 'Succeeded' });
  writer.put(pod, { phase: 'Running' });
  await clock.advance(1_000);
  expect(held()?.phase).toBe('Succeeded');
});

test('flush waits for what is to be written', async () => {
  writer.put(pod, { phase: 'Pending', message: 'm' });
  let flushed = false;
  const flush = writer.flush(pod.metadata.uid!, never).then(() => {
    flushed = true;
  });
  await clock.advance(200);
  expect(flushed).toBe(true);
  await flush;
  expect(held()?.message).toBe('m');
});

test('a status the server will never take is said once and does not hold up a flush', async () => {
  cluster.intercept((call) =>
    call.verb === 'patch' ? new StatusError('Invalid', 'no such phase') : undefined,
  );
  writer.put(pod, { phase: 'Running' });
  await writer.flush(pod.metadata.uid!, never);
  await clock.advance(60_000);
  expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
});

test('a conflict with another writer is tried again', async () => {
  let conflicts = 1;
  cluster.intercept((call) =>
    call.verb === 'patch' && conflicts-- > 0 ? new StatusError('Conflict', 'changed') : undefined,
  );
  writer.put(pod, { phase: 'Running' });
  await clock.advance(1_000);
  expect(held()?.phase).toBe('Running');
});

test('a namesake does not get the status of a pod that is gone, nor does that one come back', async () => {
  cluster.delete(PodKind, REF, { graceSeconds: 0 });
  cluster.create(PodKind, { ...pod, metadata: { ...REF } });
  writer.put(pod, { phase: 'Failed' });
  await writer.flush(pod.metadata.uid!, never);
  expect(held()?.phase).not.toBe('Failed');
  expect(written).toEqual([]);
});

test('conditions of others stay', async () => {
  cluster.change(PodKind, REF, (one) => {
    one.status = { conditions: [{ type: 'example.com/gate', status: 'True' }] };
  });
  const gate = { type: 'example.com/gate', status: 'True' };
  writer.put(pod, { phase: 'Running', conditions: [gate, { type: 'Ready', status: 'True' }] });
  await settle();
  expect(held()?.conditions?.map(({ type }) => type)).toEqual(['example.com/gate', 'Ready']);
});

test('a condition that somebody else changed is put right, though the words are those written before', async () => {
  const status: PodStatus = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  writer.put(pod, status);
  await clock.advance(200);
  const unready = { status: { conditions: [{ type: 'Ready', status: 'False', reason: 'NodeNotReady' }] } };
  const seen = await cluster.client.patch(PodKind, REF, { type: 'strategic', body: unready }, 'status');
  writer.put(seen, status);
  await clock.advance(200);
  expect(held()?.conditions?.[0]?.status).toBe('True');
  // What is older than the own write tells nothing.
  const before = written.length;
  writer.put(seen, status);
  await clock.advance(200);
  expect(written.length).toBe(before);
});
