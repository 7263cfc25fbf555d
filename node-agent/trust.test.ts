import { beforeEach, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { AUTHORITIES, authorityData } from '#api/semantics/authorities.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { bundleHash, bundleOf } from '#machinery/pki/bundle.ts';
import { makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import { TrustFollower } from './trust.ts';

const NODE = { name: 'n1' };
const clock = new VirtualClock();
const random = seededRandom(1);
const [old, made] = await Promise.all([
  makeAuthority('old', 1e10, clock, random),
  makeAuthority('made', 1e10, clock, random),
]);
const both = bundleOf([old.certificate, made.certificate]);
const hash = bundleHash(both);

let cluster: FakeCluster;
let trusted: string;
let log: LogLine[];
const stop = new AbortController();
beforeEach(async () => {
  cluster = new FakeCluster({ clock, random });
  trusted = old.certificate;
  log = [];
  await cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: NODE });
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...AUTHORITIES } };
  await cluster.client.create(ConfigMapKind, {
    ...map,
    data: authorityData({ bundle: both, phase: 'trust' }),
  });
});
const take = async (next: string) => {
  trusted = next;
};
const follower = (trust = take) =>
  new TrustFollower({
    ...{ client: cluster.client, clock, log: memoryLogger(log), signal: stop.signal, node: 'n1' },
    servers: { trusted: () => trusted, trust },
  });
const said = () => cluster.get(NodeKind, NODE)!.metadata.annotations?.['gantry.dev/trusts'];
const pass = async (seconds: number) => {
  for (let second = 0; second < seconds; second++) await clock.advance(1_000);
};

test('a node trusts what the servers tell of, and says so', async () => {
  const follows = follower();
  follows.told(undefined);
  await pass(1);
  expect(said()).toBeUndefined();
  follows.told(hash);
  await pass(1);
  expect(trusted).toBe(both);
  expect(said()).toBe(hash);
  const calls = cluster.calls.length;
  follows.told(hash);
  await pass(1);
  expect(cluster.calls).toHaveLength(calls);
});

test('it tries again while nobody answers, and says nothing before it is so', async () => {
  let away = true;
  cluster.intercept(() => (away ? new StatusError('ServiceUnavailable', 'nobody') : undefined));
  follower().told(hash);
  await pass(3);
  expect(trusted).toBe(old.certificate);
  expect(log.length).toBeGreaterThanOrEqual(2);
  away = false;
  await pass(2);
  expect(said()).toBe(hash);
});

test('on a server’s machine it waits for the server to have them', async () => {
  follower(async () => {}).told(hash);
  await pass(2);
  expect(said()).toBeUndefined();
  trusted = both;
  await pass(2);
  expect(said()).toBe(hash);
});

test('what the servers told of and is there no more is not trusted', async () => {
  const follows = follower();
  follows.told('f'.repeat(64));
  await pass(2);
  expect(trusted).toBe(old.certificate);
  follows.told(hash);
  await pass(2);
  expect(said()).toBe(hash);
});
