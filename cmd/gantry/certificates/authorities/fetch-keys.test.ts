import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LeaseKind } from '#api/kinds/lease.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { CONTROL_PLANE_PATH } from '#api/well-known.ts';
import { HOST, type Served, serve } from '#apiserver/testing/served.ts';
import { rfc3339Micro, systemClock } from '#machinery/clock.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { fetchKeys } from './fetch-keys.ts';

/** A server that has the keys, and the files of another one that asks for them. */
let api: Served;
let pki: string;
let own: KeyAndCertificate;
const files = { 'pki/client-ca.key': 'NOW', 'pki/client-ca.next.key': 'NEXT', 'pki/server-ca.key': 'OTHER' };
const plane = JSON.stringify({ version: 1, files, args: [], fileArgs: {} });
beforeAll(async () => {
  const serveKeys = async () => ({ status: 200, headers: {}, body: Buffer.from(plane) });
  api = await serve({ paths: [{ path: CONTROL_PLANE_PATH, verb: 'post', serve: serveKeys }] });
  await api.server.ready;
  pki = join(mkdtempSync(join(tmpdir(), 'gantry-keys-')), 'pki');
  mkdirSync(pki);
  own = await issueBy(await makeAuthority('mine', 1e9, systemClock, systemRandom), 'server');
  await lease('gantry-apiserver-other', HOST, api.port);
});
afterAll(async () => {
  await api?.stop();
  rmSync(join(pki, '..'), { recursive: true, force: true });
});

function issueBy(authority: KeyAndCertificate, usage: 'server' | 'client'): Promise<KeyAndCertificate> {
  const subject = { commonName: 'kubernetes-admin', organizations: ['system:masters'] };
  const order = { subject, usages: [usage], subjectAlternativeNames: ['192.0.2.1'], lifetimeMs: 1e9 };
  return issueCertificate(authority, order, systemClock, systemRandom);
}

async function lease(name: string, address: string, port: number): Promise<void> {
  await api.server.engine.create(
    LeaseKind,
    {
      ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
      metadata: {
        ...{ name, namespace: 'kube-system' },
        labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' },
        annotations: { 'gantry.dev/address': JSON.stringify({ address, port }) },
      },
      spec: { renewTime: rfc3339Micro(systemClock.now()), holderIdentity: name, leaseDurationSeconds: 20 },
    },
    'test',
  );
}

async function asks(admin: KeyAndCertificate, known = api.authority.certificate) {
  writeFileSync(join(pki, 'admin.crt'), admin.certificate);
  writeFileSync(join(pki, 'admin.key'), admin.key);
  const lines: LogLine[] = [];
  const trusted = { 'server-ca': own.certificate, 'client-ca': '', 'node-ca': '', 'service-account': '' };
  const keys = await fetchKeys('client-ca', known, {
    ...{ engine: api.server.engine, paths: { pki }, clock: systemClock, random: systemRandom },
    ...{ log: memoryLogger(lines), pki: { server: own, trusted } },
  });
  return { keys, lines };
}
const tokens = () =>
  api.server.engine.list(SecretKind, 'kube-system').filter(({ type }) => type?.includes('bootstrap'));

test('the administrator gets the keys of that authority, and no token is made', async () => {
  const { keys, lines } = await asks(await issueBy(api.clientAuthority, 'client'));
  expect(keys).toEqual(['NOW', 'NEXT']);
  expect([lines, tokens()]).toEqual([[], []]);
});

test('where nobody knows that administrator any more, a token for servers does, for a minute', async () => {
  const dropped = await makeAuthority('dropped', 1e9, systemClock, systemRandom);
  const { keys } = await asks(await issueBy(dropped, 'client'));
  expect(keys).toEqual(['NOW', 'NEXT']);
  const [token] = tokens();
  const expiration = Buffer.from(token!.data!['expiration']!, 'base64').toString();
  expect(Date.parse(expiration) - systemClock.now()).toBeLessThanOrEqual(60_000);
});

test('a server that is not to be believed, or is away, is told of and passed over', async () => {
  await lease('gantry-apiserver-away', '127.0.0.2', 1);
  const admin = await issueBy(api.clientAuthority, 'client');
  const { keys, lines } = await asks(admin);
  expect(keys).toEqual(['NOW', 'NEXT']);
  expect(lines.map(({ fields }) => fields['address'])).toEqual(['127.0.0.2']);
  expect(await asks(admin, '')).toMatchObject({ keys: [], lines: [{}, {}] });
});
