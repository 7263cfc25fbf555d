import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { isSignedBy } from '#machinery/pki/certificate.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Settings } from '../options.ts';
import { pathsOf } from '../paths.ts';
import { type Pki, preparePki } from '../pki.ts';
import { AuthorityRotation } from './rotation.ts';

/** A server with its files, and what nodes and the controller of root CAs do beside it. */
let directory: string;
let server: ApiServer;
let call: ReturnType<typeof callsTo>;
let pki: Pki;
const stop = { now: new AbortController() };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-rotation-'));
  stop.now = new AbortController();
  const settings = {
    ...{ paths: pathsOf(directory), nodeName: 'n1', advertiseAddress: '192.0.2.1', tlsSan: [] },
    ...{ listen: { host: '127.0.0.1', port: 6443 }, serviceCidr: '10.96.0.0/16' },
    certificateLifetime: 3_600_000,
  } as unknown as Settings;
  const prepare = () => preparePki(settings, { clock: systemClock });
  pki = await prepare();
  const rotation = new AuthorityRotation({
    ...{ paths: settings.paths, files: systemFiles(), clock: systemClock, random: systemRandom },
    ...{ log: silentLogger, signal: stop.now.signal, pki: () => pki },
  });
  server = await startTestServer({ paths: rotation.handlers });
  const refresh = async () => {
    pki = await prepare();
  };
  rotation.follow({ server, refresh });
  call = callsTo(server);
  await server.engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'far' } }, 't');
});
afterEach(async () => {
  stop.now.abort();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const step = (name: string, more = '') => call('POST', `${ROTATE_AUTHORITY_PATH}?step=${name}${more}`);
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
  expect((await call('GET', ROTATE_AUTHORITY_PATH)).body).toMatchObject({
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
});

test('out of turn, or a step that is none, changes nothing', async () => {
  const before = bundle();
  expect(await step('issue')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('"stable"') },
  });
  expect((await step('drop')).status).toBe(409);
  expect((await step('all')).status).toBe(400);
  expect(bundle()).toBe(before);
  expect(server.engine.get(ConfigMapKind, 'gantry-authorities', 'kube-system')).toBeUndefined();
});

test('forced, nobody is waited for', async () => {
  for (const name of ['trust', 'issue', 'drop'])
    expect(await step(name, '&force=true'), name).toMatchObject({ status: 200 });
  expect(certificatesIn(bundle())).toHaveLength(1);
});
