import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '#machinery/clock.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { kubeconfigFor, requireNamed } from './kubeconfig.ts';
import { doorFaults, pinOf, type Shown, shownBy } from './server-keys.ts';
import { hostOf, isNamedBy, serverUrlOf } from './server-url.ts';

const HOUR_MS = 3_600_000;
let authority: KeyAndCertificate;
let shown: KeyAndCertificate;

beforeAll(async () => {
  authority = await makeAuthority('ca', HOUR_MS, systemClock, systemRandom);
  const names = ['127.0.0.1', '192.0.2.1', 'api.example.org', '*.apps.example.org', '2001:db8::1'];
  const order = {
    ...{ subject: { commonName: 's' }, usages: ['server' as const], lifetimeMs: HOUR_MS },
    subjectAlternativeNames: names,
  };
  shown = await issueCertificate(authority, order, systemClock, systemRandom);
});

describe('the address of all servers', () => {
  test.each([
    ['https://API.example.org:6443', 'api.example.org'],
    ['https://[2001:db8::1]:6443', '2001:db8::1'],
    ['https://192.0.2.1', '192.0.2.1'],
  ])('%s', (text, host) => expect(hostOf(serverUrlOf(text))).toBe(host));

  test.each(['api.example.org', 'http://h:6443', 'https://h:6443/x', 'https://h/?x', ''])(
    '%j is none',
    (text) => expect(() => serverUrlOf(text)).toThrow('is no server: write it as'),
  );

  test.each([
    ['api.example.org', true],
    ['a.apps.example.org', true],
    ['2001:db8:0::1', true],
    ['other.example.org', false],
    ['192.0.2.2', false],
  ])('a certificate names %s: %s', (host, named) => expect(isNamedBy(shown.certificate, host)).toBe(named));

  test('a kubeconfig for it is refused where clients would not believe the server', () => {
    requireNamed(shown.certificate, 'https://api.example.org:6443');
    expect(() => requireNamed(shown.certificate, 'https://k8s.example.org:6443')).toThrow(
      'does not name k8s.example.org: start the servers with --tls-san k8s.example.org',
    );
  });

  test('a kubeconfig for it differs in nothing else', () => {
    const before = { clusters: [{ name: 'gantry', cluster: { server: 'https://127.0.0.1:6443', ca: 'x' } }] };
    const after = parse(kubeconfigFor(JSON.stringify(before), 'https://api.example.org:6443'));
    expect(after.clusters).toEqual([
      { name: 'gantry', cluster: { server: 'https://api.example.org:6443', ca: 'x' } },
    ]);
  });
});

describe('the servers that a line leads to', () => {
  const door: Shown[] = [];
  beforeAll(() => {
    const { certificate } = shown;
    door.push({ address: '192.0.2.1', port: 6443, certificate: Buffer.from(certificate) });
    door.push({ address: '192.0.2.2', port: 6443, why: 'connection refused' });
  });

  test('are all of them, by a name of all', () => {
    expect(doorFaults(door, 'https://api.example.org:6443')).toEqual([
      expect.stringContaining('192.0.2.2:6443 does not answer now'),
    ]);
    expect(doorFaults(door, 'https://192.0.2.9:6443')).toEqual([
      expect.stringContaining('192.0.2.1:6443 does not name 192.0.2.9: start it with --tls-san 192.0.2.9'),
      expect.stringContaining('192.0.2.2'),
    ]);
  });

  test('is one, by its own address', () => {
    expect(doorFaults(door, 'https://192.0.2.1:6443')).toEqual([]);
    expect(doorFaults(door, 'https://192.0.2.2:6443')).toHaveLength(1);
  });

  test('are pinned together, each key once', async () => {
    const other = await makeAuthority('other', HOUR_MS, systemClock, systemRandom);
    const pins = pinOf([shown.certificate, other.certificate, shown.certificate]).split(';');
    expect(pins).toHaveLength(2);
    for (const pin of pins) expect(pin).toMatch(/^sha256\/\/[A-Za-z0-9+/]{43}=$/);
  });
});

describe('what servers show', () => {
  const server = createServer();
  const port = () => (server.address() as { port: number }).port;
  beforeAll(async () => {
    server.setSecureContext({ key: shown.key, cert: shown.certificate });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  test('is asked of each, and believed only where the authority has signed it', async () => {
    const at = { address: '127.0.0.1', port: port() };
    const [one] = await shownBy([at], authority.certificate, systemClock);
    expect(pinOf([(one as { certificate: Uint8Array }).certificate])).toBe(pinOf([shown.certificate]));
    const other = await makeAuthority('other', HOUR_MS, systemClock, systemRandom);
    expect(await shownBy([at], other.certificate, systemClock)).toEqual([
      { ...at, why: expect.stringContaining('certificate') },
    ]);
  });
});
