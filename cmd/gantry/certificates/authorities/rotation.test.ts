import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TlsOptions } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { ROTATE_AUTHORITY_PATH } from '#api/well-known.ts';
import { callsTo, startTestServer } from '#apiserver/fake/server.ts';
import type { ApiServer } from '#apiserver/server.ts';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { silentLogger } from '#machinery/log.ts';
import { bundleHash, certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy, keyHashOf } from '#machinery/pki/certificate.ts';
import { nextKeyName } from '#machinery/pki/directory.ts';
import { signingKeyOf } from '#machinery/pki/signing-key.ts';
import { systemRandom } from '#machinery/random.ts';
import { authoritiesWith, makeJoinToken } from '../../membership/join-token.ts';
import type { Settings } from '../../options.ts';
import { pathsOf } from '../../paths.ts';
import { type Pki, preparePki, publicAuthorities, tlsOf, tokenKeys } from '../pki.ts';
import type { RotationAnswer } from './plan.ts';
import { AuthorityRotation } from './rotation.ts';

/** A server with its files, and what nodes and the controller of root CAs do beside it. */
let directory: string;
let server: ApiServer;
let call: ReturnType<typeof callsTo>;
let pki: Pki;
/** Reasons of events. */
let told: string[];
const stop = { now: new AbortController() };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-rotation-'));
  stop.now = new AbortController();
  const settings = {
    ...{
      paths: pathsOf(directory),
      nodeName: 'n1',
      advertiseAddress: '192.0.2.1',
      tlsSan: [],
      virtualAddress: [],
    },
    ...{ listen: { host: '127.0.0.1', port: 6443 }, serviceCidr: '10.96.0.0/16' },
    certificateLifetime: 3_600_000,
  } as unknown as Settings;
  const prepare = () => preparePki(settings, { clock: systemClock });
  pki = await prepare();
  const rotation = new AuthorityRotation({
    ...{ paths: settings.paths, files: systemFiles(), clock: systemClock, random: systemRandom },
    ...{ log: silentLogger, signal: stop.now.signal, pki: () => pki },
    ...{ mode: 'auto', leafMs: 3_600_000 },
  });
  server = await startTestServer({ paths: rotation.handlers });
  const refresh = async () => {
    pki = await prepare();
  };
  told = [];
  rotation.follow({ server, refresh, tell: (_, { reason }) => told.push(reason) });
  call = callsTo(server);
  await server.engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'far' } }, 't');
});
afterEach(async () => {
  stop.now.abort();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function step(name: string, more = '', authority = 'server-ca') {
  const { status, body } = await call(
    'POST',
    `${ROTATE_AUTHORITY_PATH}?authority=${authority}&step=${name}${more}`,
  );
  const answer = body as Partial<RotationAnswer>;
  return { status, body: answer.authorities?.find((one) => one.name === authority) ?? body };
}
const bundle = () => readFileSync(join(directory, 'pki/server-ca.crt'), 'utf8');
const issuer = () => certificatesIn(bundle()).findIndex((one) => isSignedBy(pki.server.certificate, one));

/** What the agents and the controllers do when they have heard of it. */
async function follow(): Promise<void> {
  const hash = bundleHash(bundle());
  const merge = { 'content-type': 'application/merge-patch+json' };
  const annotations = { 'gantry.dev/trusts': hash };
  await call('PATCH', '/api/v1/nodes/far', { metadata: { annotations } }, merge);
  for (const { metadata } of server.engine.list(NamespaceKind)) {
    const ref = { name: 'kube-root-ca.crt', namespace: metadata.name };
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: ref, data: { 'ca.crt': bundle() } };
    if (!server.engine.get(ConfigMapKind, ref.name, ref.namespace))
      await server.engine.create(ConfigMapKind, map, 't');
    else
      await server.engine.update(ConfigMapKind, ref.name, ref.namespace, 't', (old) => ({
        ...old,
        data: map.data,
      }));
  }
}

test('step by step, each when all have followed the one before', async () => {
  const [old] = certificatesIn(bundle());
  const before = (await call('GET', ROTATE_AUTHORITY_PATH)).body as RotationAnswer;
  expect(before.authorities.map(({ name }) => name)).toEqual([
    'server-ca',
    'client-ca',
    'node-ca',
    'service-account',
  ]);
  for (const one of before.authorities)
    expect(one).toMatchObject({
      phase: 'stable',
      waitsFor: { servers: [], nodes: [], namespaces: [] },
    });
  expect(await step('trust')).toMatchObject({ status: 200, body: { phase: 'trust' } });
  const [, made] = certificatesIn(bundle());
  expect(certificatesIn(bundle())).toEqual([old, made]);
  expect(issuer()).toBe(0);
  const info = server.engine.get(ConfigMapKind, 'cluster-info', 'kube-public');
  expect(info).toBeUndefined(); // a test server tells nobody of its authority

  expect(await step('issue')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('nodes far; kube-root-ca.crt in namespaces default,') },
  });
  expect(certificatesIn(bundle())).toEqual([old, made]);
  await follow();
  expect(await step('issue')).toMatchObject({ status: 200, body: { phase: 'issue' } });
  expect(certificatesIn(bundle())).toEqual([made, old]);
  expect(issuer()).toBe(0);
  expect(readFileSync(join(directory, 'admin.kubeconfig'), 'utf8')).toContain(
    Buffer.from(bundle()).toString('base64'),
  );

  expect((await step('drop')).status).toBe(409);
  await follow();
  expect(await step('drop')).toMatchObject({ status: 200, body: { phase: 'stable', authorities: [{}] } });
  expect(certificatesIn(bundle())).toEqual([made]);
  expect(issuer()).toBe(0);
  expect(told).toEqual(['AuthorityTrusted', 'AuthorityIssues', 'AuthorityDropped']);
});

test('one whose key was lost before it signed is given up, although nobody can follow it', async () => {
  const [old] = certificatesIn(bundle());
  await step('trust');
  rmSync(join(directory, 'pki', nextKeyName('server-ca')));
  await follow();
  expect(await step('cancel')).toMatchObject({ status: 200, body: { phase: 'stable' } });
  expect(certificatesIn(bundle())).toEqual([old]);
  expect(told).toEqual(['AuthorityTrusted', 'AuthorityCancelled']);
  await follow();
  expect(await step('trust')).toMatchObject({ status: 200, body: { phase: 'trust' } });
});

test('out of turn, or a step that is none, changes nothing', async () => {
  const before = bundle();
  expect(await step('issue')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('"stable"') },
  });
  expect((await step('drop')).status).toBe(409);
  expect((await step('all')).status).toBe(400);
  expect((await step('trust', '', 'etcd-ca')).status).toBe(400);
  expect(bundle()).toBe(before);
  expect(server.engine.get(ConfigMapKind, 'gantry-authorities', 'kube-system')).toBeUndefined();
});

test('forced, nobody is waited for', async () => {
  for (const name of ['trust', 'issue', 'drop'])
    expect(await step(name, '&force=true'), name).toMatchObject({ status: 200 });
  expect(certificatesIn(bundle())).toHaveLength(1);
});

test('who knows the old authority of servers alone goes on until it is dropped, and lines that join do too', async () => {
  const old = bundle();
  const token = makeJoinToken(old, systemRandom);
  const shown = pki.server;
  const met = async () => {
    const tls = tlsOf(pki);
    return await handshake({ cert: tls.certificate, key: tls.key }, old);
  };
  expect(await met()).toBe(true);
  for (const name of ['trust', 'issue']) await step(name, '&force=true');
  expect(isSignedBy(pki.server.certificate, old)).toBe(false);
  expect(keyHashOf(pki.server.certificate)).toBe(keyHashOf(shown.certificate));
  expect(await met()).toBe(true);
  expect(authoritiesWith(publicAuthorities(pki), token.authorityHash)).toBe(bundle());
  await step('drop', '&force=true');
  expect(await met()).toBe(false);
  expect(authoritiesWith(publicAuthorities(pki), token.authorityHash)).toBe('');
});

test.each(['client-ca', 'node-ca'])(
  '%s: all that this server holds follows, beside the others',
  async (name) => {
    const file = () => readFileSync(join(directory, `pki/${name}.crt`), 'utf8');
    const [old] = certificatesIn(file());
    const issuers = () =>
      ['apiserver', 'controllers', 'scheduler', 'admin', 'node'].map((leaf) =>
        certificatesIn(pki.trusted['client-ca']).findIndex((one) =>
          isSignedBy(pki[leaf as 'admin'].certificate, one),
        ),
      );
    expect(await step('trust', '', name)).toMatchObject({ status: 200, body: { phase: 'trust' } });
    const [, made] = certificatesIn(file());
    expect(issuers()).toEqual([0, 0, 0, 0, 0]);
    expect(tlsOf(pki).clientAuthority).toBe(pki.trusted['client-ca']);
    const agent = async () => {
      const by = keyHashOf(file());
      const merge = { 'content-type': 'application/merge-patch+json' };
      const body = { metadata: { annotations: { 'gantry.dev/certified-by': by } } };
      await call('PATCH', '/api/v1/nodes/far', body, merge);
    };
    if (name === 'client-ca')
      expect(await step('issue', '', name)).toMatchObject({
        status: 409,
        body: { message: expect.stringContaining('client-ca yet: nodes far') },
      });
    await agent();
    expect(await step('issue', '', name)).toMatchObject({ status: 200, body: { phase: 'issue' } });
    expect(certificatesIn(file())).toEqual([made, old]);
    expect(issuers()).toEqual([0, 0, 0, 0, 0]);
    const authority = name === 'client-ca' ? pki.clientAuthority : pki.nodeAuthority;
    expect(authority.certificate.trimEnd()).toBe(made);
    await agent();
    expect(await step('drop', '', name)).toMatchObject({ status: 200, body: { phase: 'stable' } });
    expect(certificatesIn(file())).toEqual([made]);
    expect(pki.trusted['server-ca']).toBe(bundle());
    const others = (await call('GET', ROTATE_AUTHORITY_PATH)).body as RotationAnswer;
    expect(others.authorities.filter(({ since }) => since).map((one) => one.name)).toEqual([name]);
  },
);

test('service-account: the new key signs once all verify by it; the old one ends an hour later, or by force', async () => {
  const ids = () => tokenKeys(pki).map(({ id }) => id);
  const [old] = ids();
  expect(await step('trust', '', 'service-account')).toMatchObject({ status: 200 });
  const [, made] = ids();
  expect(ids()).toEqual([old, made]);
  expect(await step('issue', '', 'service-account')).toMatchObject({
    status: 200,
    body: { droppableAt: expect.stringMatching(/^20/) },
  });
  expect(ids()).toEqual([made, old]);
  expect(signingKeyOf(pki.signingKey).id).toBe(made);
  expect(await step('drop', '', 'service-account')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('signed for pods ends at 20') },
  });
  expect(await step('drop', '&force=true', 'service-account')).toMatchObject({ status: 200 });
  expect(ids()).toEqual([made]);
});

/** Whether a client that trusts `ca` alone believes who shows that. */
async function handshake(options: TlsOptions, ca: string): Promise<boolean> {
  const listener = createServer(options, (socket) => socket.end());
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  try {
    return await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }, () => {
        resolve(true);
        socket.destroy();
      });
      socket.once('error', () => resolve(false));
    });
  } finally {
    listener.close();
  }
}
