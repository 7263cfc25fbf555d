import { X509Certificate } from 'node:crypto';
import * as http2 from 'node:http2';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { HOST, type Served, serve } from '../testing/served.ts';

let api: Served;
beforeAll(async () => {
  api = await serve();
});
afterAll(() => api?.stop());

/** The certificate that a new connection is shown. */
function shown(): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port: api.port, rejectUnauthorized: false }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw));
      socket.destroy();
    }).once('error', reject);
  });
}

test('new connections are shown the new certificate and trusted by the new authority; open ones go on', async () => {
  const before = await shown();
  const admin = await api.client('admin', ['system:masters']);
  const options = { ca: api.authority.certificate, cert: admin.certificate, key: admin.key };
  const session = http2.connect(`https://${HOST}:${api.port}`, options);
  const who = (over: http2.ClientHttp2Session) =>
    new Promise<{ status: number; closed: boolean }>((resolve, reject) => {
      const stream = over.request({ ':path': '/api/v1/namespaces' });
      stream.once('response', (headers) => {
        resolve({ status: Number(headers[':status']), closed: over.closed });
        stream.close();
      });
      stream.once('error', reject);
    });
  expect(await who(session)).toEqual({ status: 200, closed: false });

  const others = await makeAuthority('other-client-ca', 3_600_000, systemClock, systemRandom);
  const order = {
    ...{ subject: { commonName: 'apiserver' }, usages: ['server' as const], lifetimeMs: 3_600_000 },
    subjectAlternativeNames: [HOST],
  };
  const next = await issueCertificate(api.authority, order, systemClock, systemRandom);
  const clientAuthority = `${api.clientAuthority.certificate}\n${others.certificate}`;
  api.server.renewTls({ ...next, clientAuthority });

  expect((await shown()).fingerprint256).toBe(new X509Certificate(next.certificate).fingerprint256);
  expect((await shown()).fingerprint256).not.toBe(before.fingerprint256);
  expect(await who(session)).toEqual({ status: 200, closed: false });
  session.destroy();
  const subject = { commonName: 'somebody', organizations: ['system:masters'] };
  const theirs = await issueCertificate(
    others,
    { subject, usages: ['client'], lifetimeMs: 3_600_000 },
    systemClock,
    systemRandom,
  );
  const second = http2.connect(`https://${HOST}:${api.port}`, {
    ca: api.authority.certificate,
    cert: theirs.certificate,
    key: theirs.key,
  });
  expect(await who(second)).toEqual({ status: 200, closed: false });
  second.destroy();
});

test('a client whose authority is trusted no more is nobody, also on a connection that is open', async () => {
  const others = await makeAuthority('third-client-ca', 3_600_000, systemClock, systemRandom);
  const order = {
    ...{ subject: { commonName: 'apiserver' }, usages: ['server' as const], lifetimeMs: 3_600_000 },
    subjectAlternativeNames: [HOST],
  };
  const own = await issueCertificate(api.authority, order, systemClock, systemRandom);
  const both = `${api.clientAuthority.certificate}\n${others.certificate}`;
  api.server.renewTls({ ...own, clientAuthority: both });
  const clientOf = async (by: typeof others) => {
    const subject = { commonName: 'somebody', organizations: ['system:masters'] };
    const client = { subject, usages: ['client' as const], lifetimeMs: 3_600_000 };
    const { certificate, key } = await issueCertificate(by, client, systemClock, systemRandom);
    return http2.connect(`https://${HOST}:${api.port}`, {
      ...{ ca: api.authority.certificate, cert: certificate, key },
    });
  };
  const [dropped, kept, silent] = [
    await clientOf(others),
    await clientOf(api.clientAuthority),
    await clientOf(others),
  ];
  const statusOf = (over: http2.ClientHttp2Session) =>
    new Promise<number>((resolve, reject) => {
      const stream = over.request({ ':path': '/api/v1/namespaces' });
      stream.once('response', (headers) => {
        resolve(Number(headers[':status']));
        stream.close();
      });
      stream.once('error', reject);
    });
  await new Promise((resolve) => silent.once('remoteSettings', resolve));
  expect(await Promise.all([dropped, kept].map(statusOf))).toEqual([200, 200]);
  api.server.renewTls({ ...own, clientAuthority: api.clientAuthority.certificate });
  expect(await Promise.all([dropped, kept, silent].map(statusOf))).toEqual([403, 200, 403]);
  for (const session of [dropped, kept, silent]) session.destroy();
});
