import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { kubeconfigYaml } from '#machinery/pki/kubeconfig.ts';
import { systemRandom } from '#machinery/random.ts';
import { pathsOf } from '../paths.ts';
import { withAdmin } from './connect.ts';

test('a command asks another server that its machine has learned of when its own is away', async () => {
  const dataDir = mkdtempSync(`${tmpdir()}/gantry-connect-`);
  const authority = await makeAuthority('test', 3_600_000, systemClock, systemRandom);
  const certified = await issueCertificate(
    authority,
    {
      subject: { commonName: 'server' },
      usages: ['server', 'client'],
      subjectAlternativeNames: ['127.0.0.1'],
      lifetimeMs: 3_600_000,
    },
    systemClock,
    systemRandom,
  );
  const server = createSecureServer(
    { cert: certified.certificate, key: certified.key },
    (_request, response) => response.end('other'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const paths = pathsOf(dataDir);
    const away = { name: 'x', server: 'https://127.0.0.1:1', user: 'x' };
    const certificateAuthority = authority.certificate;
    writeFileSync(
      paths.adminKubeconfig,
      kubeconfigYaml({ ...away, certificateAuthority, credentials: certified }),
    );
    const ask = () =>
      withAdmin({ dataDir }, async (_client, transport) => {
        const { status } = await transport.request({ method: 'GET', path: '/', headers: {} });
        return status;
      });
    await expect(ask()).rejects.toThrow('ECONNREFUSED');
    mkdirSync(paths.agent);
    const { port } = server.address() as AddressInfo;
    writeFileSync(`${paths.agent}/servers.json`, JSON.stringify([`https://127.0.0.1:${port}`]));
    expect(await ask()).toBe(200);
  } finally {
    server.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
