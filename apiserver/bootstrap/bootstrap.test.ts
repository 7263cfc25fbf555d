import { expect, it } from 'vitest';
import { callsTo, startTestServer } from '../fake/server.ts';

const SERVICES = '/api/v1/namespaces/kube-system/services';

it('names the DNS server where clients look for it, and keeps proxies away from it', async () => {
  const server = await startTestServer();
  const { body } = await callsTo(server)(
    'GET',
    `${SERVICES}?labelSelector=kubernetes.io/cluster-service=true`,
  );
  expect(body.items).toHaveLength(1);
  const [{ metadata, spec }] = body.items;
  expect(metadata.name).toBe('kube-dns');
  expect(metadata.labels).toMatchObject({
    'k8s-app': 'kube-dns',
    'kubernetes.io/name': 'GantryDNS',
    'service.kubernetes.io/service-proxy-name': 'gantry-dns',
  });
  expect(spec.clusterIP).toBe('10.96.0.10');
  expect(spec.selector).toBeUndefined();
  expect(spec.ports.map((one: { port: number; protocol: string }) => `${one.port}/${one.protocol}`)).toEqual([
    '53/UDP',
    '53/TCP',
  ]);
  await server.stop();
});
