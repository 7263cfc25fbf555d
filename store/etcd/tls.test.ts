import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Credentials } from './connection.ts';
import { openEtcdStore } from './index.ts';
import { EtcdServer, whyNoEtcd } from './testing/server.ts';

const MISSING = whyNoEtcd();
const HOUR_MS = 3_600_000;

describe.skipIf(MISSING)(`etcd: TLS${MISSING ? ` (${MISSING})` : ''}`, () => {
  let directory: string;
  let server: EtcdServer;
  let credentials: Required<Credentials>;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-etcd-tls-'));
    const authority = await makeAuthority('etcd-ca', HOUR_MS, systemClock, systemRandom);
    const issue = (commonName: string, usages: ('server' | 'client')[]) =>
      issueCertificate(
        authority,
        {
          subject: { commonName, organizations: [] },
          usages,
          subjectAlternativeNames: [commonName],
          lifetimeMs: HOUR_MS,
        },
        systemClock,
        systemRandom,
      );
    // etcd's own gateway dials it with the server certificate.
    const own = await issue('etcd.test', ['server', 'client']);
    const client = await issue('gantry', ['client']);
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text, { mode: 0o600 });
      return join(directory, name);
    };
    server = await new EtcdServer([
      '--unsafe-no-fsync',
      ...['--cert-file', file('server.crt', own.certificate), '--key-file', file('server.key', own.key)],
      ...['--client-cert-auth', '--trusted-ca-file', file('ca.crt', authority.certificate)],
    ]).start('https');
    credentials = {
      ca: Buffer.from(authority.certificate),
      certificate: Buffer.from(client.certificate),
      key: Buffer.from(client.key),
      serverName: 'etcd.test',
    };
  });
  afterAll(async () => {
    await server?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  const open = (given: Credentials) =>
    openEtcdStore({
      endpoints: [server.endpoint],
      root: '/gantry/tls/',
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      credentials: given,
      retryMs: 500,
    });

  test('a store is opened with a client certificate, at an address, by the name in the certificate', async () => {
    const store = await open(credentials);
    const op = { op: 'put', key: '/gantry/tls/a', value: Buffer.from('x') } as const;
    expect(await store.commit([op], { time: 1, actor: 'test' })).toMatchObject({ ok: true });
    expect(await store.get('/gantry/tls/a')).toBeDefined();
    await store.close();
  });

  test('another name than the one in the certificate is refused', async () => {
    await expect(open({ ...credentials, serverName: 'other.test' })).rejects.toThrow(/other\.test/);
  });
});
