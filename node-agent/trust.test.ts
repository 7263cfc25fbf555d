import { beforeEach, expect, test } from 'vitest';
import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { AUTHORITIES, withAuthority } from '#api/semantics/authorities.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { bundleHash, bundleOf } from '#machinery/pki/bundle.ts';
import { isSignedBy, type KeyAndCertificate, keyHashOf } from '#machinery/pki/certificate.ts';
import { certifyRequest, issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import { nodeSubject } from './registration/certificate.ts';
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

const pairBy = (authority: KeyAndCertificate) =>
  issueCertificate(
    authority,
    { subject: nodeSubject('n1'), usages: ['client'], lifetimeMs: 1e9 },
    clock,
    random,
  );

let cluster: FakeCluster;
let trusted: string;
let held: KeyAndCertificate;
let log: LogLine[];
const stop = new AbortController();
beforeEach(async () => {
  cluster = new FakeCluster({ clock, random });
  trusted = old.certificate;
  held = await pairBy(old);
  log = [];
  await cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: NODE });
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...AUTHORITIES } };
  await cluster.client.create(ConfigMapKind, {
    ...map,
    data: withAuthority(
      withAuthority(undefined, 'server-ca', { bundle: both, phase: 'trust' }),
      'client-ca',
      { bundle: bundleOf([made.certificate, old.certificate]), phase: 'issue' },
    ),
  });
});
const take = async (next: string) => {
  trusted = next;
};
const keep = async (pair: KeyAndCertificate) => {
  held = pair;
};
const follower = (trust = take) =>
  new TrustFollower({
    ...{ client: cluster.client, clock, log: memoryLogger(log), signal: stop.signal, node: 'n1' },
    servers: { trusted: () => trusted, trust, held: () => held, keep },
  });
const trusts = (hash: string) => ({ 'gantry.dev/authorities': hash });
const certified = (by: KeyAndCertificate) => ({ 'gantry.dev/certified-by': keyHashOf(by.certificate) });
const said = (what = 'trusts') => cluster.get(NodeKind, NODE)!.metadata.annotations?.[`gantry.dev/${what}`];
const pass = async (seconds: number) => {
  for (let second = 0; second < seconds; second++) await clock.advance(1_000);
};

test('a node trusts what the servers tell of, and says so', async () => {
  const follows = follower();
  follows.told(undefined);
  await pass(1);
  expect(said()).toBeUndefined();
  follows.told(trusts(hash));
  await pass(1);
  expect(trusted).toBe(both);
  expect(said()).toBe(hash);
  const calls = cluster.calls.length;
  follows.told(trusts(hash));
  await pass(1);
  expect(cluster.calls).toHaveLength(calls);
});

test('it tries again while nobody answers, and says nothing before it is so', async () => {
  let away = true;
  cluster.intercept(() => (away ? new StatusError('ServiceUnavailable', 'nobody') : undefined));
  follower().told(trusts(hash));
  await pass(3);
  expect(trusted).toBe(old.certificate);
  expect(log.length).toBeGreaterThanOrEqual(2);
  away = false;
  await pass(2);
  expect(said()).toBe(hash);
});

test('on a server’s machine it waits for the server to have them', async () => {
  follower(async () => {}).told(trusts(hash));
  await pass(2);
  expect(said()).toBeUndefined();
  trusted = both;
  await pass(2);
  expect(said()).toBe(hash);
});

test('what the servers told of and is there no more is not trusted', async () => {
  const follows = follower();
  follows.told(trusts('f'.repeat(64)));
  await pass(2);
  expect(trusted).toBe(old.certificate);
  follows.told(trusts(hash));
  await pass(2);
  expect(said()).toBe(hash);
});

/** Signs what was asked for by that one; gives how many have been asked for. */
async function certify(by: KeyAndCertificate): Promise<number> {
  const requests = cluster.all(CertificateSigningRequestKind);
  for (const request of requests.filter(({ status }) => !status?.certificate)) {
    const asked = Buffer.from(request.spec!.request, 'base64').toString();
    const order = { subject: nodeSubject('n1'), usages: ['client' as const], lifetimeMs: 1e9 };
    const certificate = Buffer.from(await certifyRequest(by, asked, order, clock, random));
    await cluster.client.updateStatus(CertificateSigningRequestKind, {
      ...request,
      status: { ...request.status, certificate: certificate.toString('base64') },
    });
  }
  return requests.length;
}
/** Passes time until it is so; each turn lets what was begun go on. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (await isSo()) return;
    await clock.advance(500);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(await isSo()).toBe(true);
}

test('a node whose certificate is of another authority asks for one of the new, and says so once it has it', async () => {
  follower().told(certified(made));
  await until(async () => (await certify(made)) === 1);
  await until(() => said('certified-by') !== undefined);
  expect(said('certified-by')).toBe(keyHashOf(made.certificate));
  expect(isSignedBy(held.certificate, made.certificate)).toBe(true);
});

test('one that has it already asks for nothing', async () => {
  held = await pairBy(made);
  follower().told(certified(made));
  await until(() => said('certified-by') === keyHashOf(made.certificate));
  expect(cluster.all(CertificateSigningRequestKind)).toEqual([]);
});

test('while it is still certified by the old one it says nothing, and asks ever more seldom', async () => {
  follower().told(certified(made));
  await until(async () => (await certify(old)) === 3);
  expect(said('certified-by')).toBeUndefined();
  const before = clock.now();
  await until(async () => (await certify(old)) === 5);
  expect(clock.now() - before).toBeGreaterThan(5_000);
  await until(async () => {
    await certify(made);
    return said('certified-by') !== undefined;
  });
});
