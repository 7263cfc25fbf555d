import { describe, expect, test, vi } from 'vitest';
import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import type { CertificateSigningRequest } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { readCertificateRequest } from '#machinery/pki/certificate-request.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { renewalTime } from '#machinery/pki/renewal.ts';
import { makeSigningKey } from '#machinery/pki/signing-key.ts';
import { seededRandom } from '#machinery/random.ts';
import { keepCertificate, nodeSubject, requestCertificate, requestName } from './certificate.ts';

const DAY_MS = 24 * 3_600_000;

function world() {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const cluster = new FakeCluster({ clock, random });
  const stop = new AbortController();
  const lines: LogLine[] = [];
  const deps = { client: cluster.client, clock, log: memoryLogger(lines), signal: stop.signal };
  return { clock, cluster, stop, lines, deps, random };
}
type World = ReturnType<typeof world>;

const asked = ({ cluster }: World) => cluster.all(CertificateSigningRequestKind);
async function answer({ cluster }: World, name: string, status: CertificateSigningRequest['status']) {
  const request = cluster.get(CertificateSigningRequestKind, { name })!;
  await cluster.client.updateStatus(CertificateSigningRequestKind, { ...request, status });
}
const encoded = (text: string) => Buffer.from(text).toString('base64');

describe('asking for a certificate', () => {
  test('names the node and its group, proves the key, and waits until there is one', async () => {
    const all = world();
    const key = makeSigningKey();
    const certificate = requestCertificate(key, 'n1', all.deps);
    await vi.waitFor(() => expect(asked(all)).toHaveLength(1));
    const [request] = asked(all);
    expect(request!.metadata.name).toBe(requestName(key));
    expect(request!.spec).toMatchObject({
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', 'client auth'],
    });
    expect(readCertificateRequest(Buffer.from(request!.spec!.request, 'base64').toString())).toMatchObject(
      nodeSubject('n1'),
    );
    await all.clock.advance(10_000);
    expect(all.lines.map(({ fields }) => fields['approve'])).toEqual([
      `kubectl certificate approve ${requestName(key)}`,
    ]);
    await answer(all, requestName(key), { certificate: encoded('PEM') });
    await all.clock.advance(10_000);
    expect(await certificate).toBe('PEM');
  });

  test('again finds what was asked before', async () => {
    const all = world();
    const key = makeSigningKey();
    const first = requestCertificate(key, 'n1', all.deps);
    const second = requestCertificate(key, 'n1', all.deps);
    await vi.waitFor(() => expect(asked(all)).toHaveLength(1));
    await answer(all, requestName(key), { certificate: encoded('PEM') });
    let both: string[] = [];
    void Promise.all([first, second]).then((found) => {
      both = found;
    });
    await vi.waitFor(async () => {
      await all.clock.advance(1_000);
      expect(both).toEqual(['PEM', 'PEM']);
    });
  });

  test.each(['Denied', 'Failed'])('ends with the reason when it is %s', async (type) => {
    const all = world();
    const key = makeSigningKey();
    const certificate = requestCertificate(key, 'n1', all.deps);
    const refused = expect(certificate).rejects.toThrow('n1 has another key');
    await vi.waitFor(() => expect(asked(all)).toHaveLength(1));
    await answer(all, requestName(key), {
      conditions: [{ type, status: 'True', message: 'n1 has another key' }],
    });
    await vi.waitFor(() => all.clock.advance(1_000));
    await refused;
  });
});

describe('renewal', () => {
  async function pair({ clock, random }: World, lifetimeMs: number): Promise<KeyAndCertificate> {
    const authority = await makeAuthority('ca', 100 * lifetimeMs, clock, random);
    return await issueCertificate(
      authority,
      { subject: nodeSubject('n1'), usages: ['client'], lifetimeMs },
      clock,
      random,
    );
  }

  test('is due after 70 to 90 % of the life', async () => {
    const all = world();
    const { certificate } = await pair(all, 100 * DAY_MS);
    for (let round = 0; round < 50; round++) {
      const days = (renewalTime(certificate, all.random) - all.clock.now()) / DAY_MS;
      expect(days).toBeGreaterThan(69);
      expect(days).toBeLessThan(91);
    }
  });

  test('brings a new key; a refusal is tried again while the old one is in use', async () => {
    const all = world();
    let held = await pair(all, 10 * DAY_MS);
    const next = await pair(all, 30 * DAY_MS);
    const keep = vi.fn(async (made: KeyAndCertificate) => {
      held = made;
    });
    const done = keepCertificate('n1', { ...all.deps, random: all.random, held: () => held, keep });
    await all.clock.advance(6 * DAY_MS);
    expect(asked(all)).toEqual([]);
    await all.clock.advance(3.5 * DAY_MS);
    await vi.waitFor(() => expect(asked(all)).toHaveLength(1));
    const [first] = asked(all);
    await answer(all, first!.metadata.name, { conditions: [{ type: 'Denied', status: 'True' }] });
    await vi.waitFor(async () => {
      await all.clock.advance(10_000);
      expect(asked(all)).toHaveLength(2);
    });
    expect(all.lines.some(({ message }) => message.includes('could not be renewed'))).toBe(true);
    const second = asked(all).find(({ metadata }) => metadata.name !== first!.metadata.name)!;
    await answer(all, second.metadata.name, { certificate: encoded(next.certificate) });
    await vi.waitFor(async () => {
      await all.clock.advance(1_000);
      expect(keep).toHaveBeenCalledOnce();
    });
    expect(held.certificate).toBe(next.certificate);
    expect(requestName(held.key)).toBe(second.metadata.name);
    all.stop.abort();
    await done;
  });
});
