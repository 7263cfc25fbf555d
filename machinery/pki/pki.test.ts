import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import { VirtualClock } from '../clock-virtual.ts';
import { MemoryFiles } from '../files-memory.ts';
import { systemRandom } from '../random.ts';
import { isSignedBy, subjectOf, validityOf } from './certificate.ts';
import { pkiDirectory } from './directory.ts';
import { kubeconfigYaml } from './kubeconfig.ts';
import { signingKeyOf } from './signing-key.ts';

const DAY_MS = 24 * 3_600_000;
const server = {
  subject: { commonName: 'gantry' },
  usages: ['server' as const],
  subjectAlternativeNames: ['localhost', 'kubernetes.default.svc', '127.0.0.1', '::1'],
  lifetimeMs: 365 * DAY_MS,
};
const admin = {
  subject: { commonName: 'admin, "x"', organizations: ['system:masters', 'dev+ops'] },
  usages: ['client' as const],
  lifetimeMs: 365 * DAY_MS,
};

function room(startMs = Date.now()) {
  const files = new MemoryFiles();
  const clock = new VirtualClock(startMs);
  return { files, clock, pki: pkiDirectory('/pki', { files, clock, random: systemRandom }) };
}

test('what was made is used again, and secrets are readable by their owner only', async () => {
  const { files, pki } = room();
  const authority = await pki.authority('server-ca', 'gantry-server');
  const first = await pki.certificate('apiserver', 'server-ca', server);
  expect(await pki.authority('server-ca', 'gantry-server')).toEqual(authority);
  expect(await pki.certificate('apiserver', 'server-ca', server)).toEqual(first);
  expect(await pki.signingKey('sa', 'tokens')).toEqual(await pki.signingKey('sa', 'tokens'));
  expect(files.mode('/pki/apiserver.key')).toBe(0o600);
  expect(files.mode('/pki/sa.key')).toBe(0o600);
  expect(isSignedBy(first.certificate, authority.certificate)).toBe(true);
});

test('a certificate near its end, of another CA or for other names is made anew', async () => {
  const { files, clock, pki } = room();
  await pki.authority('server-ca', 'gantry-server');
  const first = await pki.certificate('apiserver', 'server-ca', server);
  const more = { ...server, subjectAlternativeNames: [...server.subjectAlternativeNames, '10.0.0.1'] };
  const second = await pki.certificate('apiserver', 'server-ca', more);
  expect(second.certificate).not.toBe(first.certificate);
  await clock.advance(300 * DAY_MS);
  const third = await pki.certificate('apiserver', 'server-ca', more);
  expect(validityOf(third.certificate).untilMs).toBeGreaterThan(validityOf(second.certificate).untilMs);
  await files.remove('/pki/server-ca.crt');
  const authority = await pki.authority('server-ca', 'gantry-server');
  const fourth = await pki.certificate('apiserver', 'server-ca', more);
  expect(isSignedBy(third.certificate, authority.certificate)).toBe(false);
  expect(isSignedBy(fourth.certificate, authority.certificate)).toBe(true);
});

test('a crash between key and certificate leaves a directory that works', async () => {
  const { files, pki } = room();
  files.failNext('write', 'EIO', '/pki/server-ca.crt');
  await expect(pki.authority('server-ca', 'x')).rejects.toMatchObject({ code: 'EIO' });
  await pki.authority('server-ca', 'x');
  await pki.certificate('apiserver', 'server-ca', server);
  const more = { ...server, subjectAlternativeNames: ['other'] };
  files.failNext('write', 'EIO', '/pki/apiserver.crt');
  await expect(pki.certificate('apiserver', 'server-ca', more)).rejects.toMatchObject({ code: 'EIO' });
  const made = await pki.certificate('apiserver', 'server-ca', server);
  expect(new X509Certificate(made.certificate).checkHost('localhost')).toBe('localhost');
});

test('a CA without its key is an error that says what to do, never a new CA', async () => {
  const { files, pki } = room();
  await pki.authority('server-ca', 'x');
  await files.remove('/pki/server-ca.key');
  await expect(pki.authority('server-ca', 'x')).rejects.toThrow('restore server-ca.key');
});

test('names and groups come back from a certificate as they were ordered', async () => {
  const { pki } = room();
  await pki.authority('client-ca', 'gantry-client');
  const { certificate } = await pki.certificate('admin', 'client-ca', admin);
  expect(subjectOf(new X509Certificate(certificate).raw)).toEqual(admin.subject);
});

test('TLS accepts the server by each of its names, and a client only of the client CA', async () => {
  const { pki } = room();
  const serverCa = await pki.authority('server-ca', 'gantry-server');
  const clientCa = await pki.authority('client-ca', 'gantry-client');
  const own = await pki.certificate('apiserver', 'server-ca', server);
  const good = await pki.certificate('admin', 'client-ca', admin);
  const bad = await pki.certificate('stranger', 'server-ca', admin);
  const seen: boolean[] = [];
  const listener = createServer(
    {
      cert: own.certificate,
      key: own.key,
      ca: clientCa.certificate,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      seen.push(socket.authorized);
      socket.end();
    },
  );
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  const visit = (pair: { certificate: string; key: string }) =>
    new Promise<void>((resolve, reject) => {
      const socket: TLSSocket = connect(
        { host: '127.0.0.1', port, ca: serverCa.certificate, cert: pair.certificate, key: pair.key },
        () => socket.resume(),
      );
      socket.on('end', resolve).on('error', reject);
    });
  await visit(good);
  await visit(bad);
  listener.close();
  expect(seen).toEqual([true, false]);
});

test('a signing key says its algorithm and has the id Kubernetes would give it', async () => {
  const key = signingKeyOf((await room().pki.signingKey('sa', 'tokens')).key);
  expect(key.algorithm).toBe('ES256');
  expect(key.id).toMatch(/^[\w-]{43}$/);
});

test.each(['ec', 'rsa', 'rsa of another form'])(
  'a signing key that was brought (%s) is used, and is told until when',
  async (type) => {
    const { files, pki, clock } = room();
    const { privateKey } =
      type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
    const form = type === 'rsa of another form' ? 'pkcs1' : 'pkcs8';
    const pem = privateKey.export({ type: form as 'pkcs8', format: 'pem' }).toString();
    await files.mkdir('/pki', 0o700);
    const first = await pki.signingKey('sa', 'tokens');
    await files.write('/pki/sa.key', pem, 0o600);
    const brought = await pki.signingKey('sa', 'tokens');
    expect(brought.key).toBe(pem);
    expect(brought.certificate).not.toBe(first.certificate);
    expect(isSignedBy(brought.certificate, brought.certificate)).toBe(true);
    expect(validityOf(brought.certificate).untilMs - clock.now()).toBeGreaterThan(3649 * DAY_MS);
    expect(await pki.signingKey('sa', 'tokens')).toMatchObject({ key: pem });
    // While it is being replaced nothing is made in its place.
    await files.write('/pki/sa.crt', `${first.certificate}\n${brought.certificate}`, 0o600);
    await expect(pki.signingKey('sa', 'tokens')).rejects.toThrow('no matching key');
  },
);

test('a kubeconfig is YAML with the data a client needs', () => {
  const yaml = kubeconfigYaml({
    name: 'gantry',
    server: 'https://127.0.0.1:6443',
    certificateAuthority: 'CA',
    user: 'admin: "x"',
    credentials: { certificate: 'CERT', key: 'KEY' },
  });
  expect(load(yaml)).toMatchObject({
    kind: 'Config',
    'current-context': 'gantry',
    clusters: [{ name: 'gantry', cluster: { 'certificate-authority-data': btoa('CA') } }],
    users: [{ name: 'admin: "x"', user: { 'client-key-data': btoa('KEY') } }],
  });
});
