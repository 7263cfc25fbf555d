/** A server that goes away and comes back under an informer that follows it over HTTPS. */
import { expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { http2Transport } from '#client/http2-transport.ts';
import { startInformer } from '#client/informer.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Transport } from '#machinery/transport.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { openControlPlane } from './open.ts';

const clock = systemClock;
const random = systemRandom;
const HOUR_MS = 3_600_000;

it('an informer goes on after a restart of the server and misses nothing', async () => {
  const authority = await makeAuthority('ca', HOUR_MS, clock, random);
  const issue = (commonName: string, usage: 'server' | 'client', organizations: string[] = []) =>
    issueCertificate(
      authority,
      {
        subject: { commonName, organizations },
        usages: [usage],
        subjectAlternativeNames: usage === 'server' ? ['127.0.0.1'] : [],
        lifetimeMs: HOUR_MS,
      },
      clock,
      random,
    );
  const server = await issue('server', 'server');
  const admin = await issue('admin', 'client', ['system:masters']);
  const tls = { certificate: server.certificate, key: server.key, clientAuthority: authority.certificate };
  const store = new MemoryStore({ clock });

  let plane = await openControlPlane(store, { tls, port: 0 });
  const { port } = plane.server.addresses[0]!;
  const transport = http2Transport({
    url: `https://127.0.0.1:${port}`,
    clock,
    ca: authority.certificate,
    certificate: () => ({ cert: admin.certificate, key: admin.key }),
  });
  const lists: string[] = [];
  const counted: Transport = {
    request(request) {
      if (!request.path.includes('watch=true')) lists.push(request.path);
      return transport.request(request);
    },
    upgrade: (request) => transport.upgrade(request),
  };
  const client = restClient({ transport: counted, clock, userAgent: 'test' });
  const crash = new AbortController();
  const informer = startInformer({ client, kind: ConfigMapKind, clock, random, signal: crash.signal });
  const seen: string[] = [];
  informer.onChange(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
  await informer.synced;

  const create = (name: string) =>
    plane.client.create(ConfigMapKind, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'default' },
    });
  const expected: string[] = [];
  for (let round = 0; round < 3; round++) {
    await informer.waitFor((await create(`before-${round}`)).metadata.resourceVersion!);
    await plane.close();
    plane = await openControlPlane(store, { tls, port });
    const made = await create(`after-${round}`);
    await informer.waitFor(made.metadata.resourceVersion!, AbortSignal.timeout(10_000));
    expected.push(`added before-${round}`, `added after-${round}`);
  }
  expect(seen).toEqual(expected);
  // Each new server knows from the store's log what the informer has missed.
  expect(lists).toHaveLength(1);
  crash.abort();
  transport.close();
  await plane.close();
  await store.close();
});
