import { expect, it } from 'vitest';
import { apiVersionOf } from '#api/kind.ts';
import { KINDS } from '#api/kinds/index.ts';
import { systemClock } from '#machinery/clock.ts';
import { MemoryStore } from '#store/memory/index.ts';
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

const SERVICES_PATH = '/apis/apiregistration.k8s.io/v1/apiservices';
const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1';

it('registers each version that it serves', async () => {
  const server = await startTestServer();
  const { body } = await callsTo(server)('GET', SERVICES_PATH);
  const versions = new Set(KINDS.map(apiVersionOf));
  versions.delete('apiregistration.k8s.io/v1');
  const names = [...versions].map((name) => name.split('/').reverse().join('.'));
  expect(body.items.map((each: { metadata: { name: string } }) => each.metadata.name).sort()).toEqual(
    names.map((name) => (name === 'v1' ? 'v1.' : name)).sort(),
  );
  const apps = body.items.find((each: { metadata: { name: string } }) => each.metadata.name === 'v1.apps');
  expect(apps).toMatchObject({
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
    spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local' }] },
  });
  expect(apps.metadata).not.toHaveProperty('generation');
  await server.stop();
});

it('makes the flow schemas and priority levels of Kubernetes', async () => {
  const server = await startTestServer();
  const call = callsTo(server);
  const table = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' };
  const { body } = await call('GET', `${FLOW}/flowschemas`, undefined, table);
  expect(body.rows.map(({ cells }: { cells: unknown[] }) => cells.slice(0, 4).join('|'))).toEqual([
    'exempt|exempt|1|<none>',
    'probes|exempt|2|<none>',
    'system-leader-election|leader-election|100|ByUser',
    'endpoint-controller|workload-high|150|ByUser',
    'workload-leader-election|leader-election|200|ByUser',
    'system-node-high|node-high|400|ByUser',
    'system-nodes|system|500|ByUser',
    'kube-controller-manager|workload-high|800|ByNamespace',
    'kube-scheduler|workload-high|800|ByNamespace',
    'kube-system-service-accounts|workload-high|900|ByNamespace',
    'service-accounts|workload-low|9000|ByUser',
    'global-default|global-default|9900|ByUser',
    'catch-all|catch-all|10000|ByUser',
  ]);
  const levels = await call('GET', `${FLOW}/prioritylevelconfigurations`, undefined, table);
  expect(levels.body.rows.map(({ cells }: { cells: unknown[] }) => cells.slice(0, 6).join('|'))).toEqual([
    'catch-all|Limited|5|<none>|<none>|<none>',
    'exempt|Exempt|<none>|<none>|<none>|<none>',
    'global-default|Limited|20|128|6|50',
    'leader-election|Limited|10|16|4|50',
    'node-high|Limited|40|64|6|50',
    'system|Limited|30|64|6|50',
    'workload-high|Limited|40|128|6|50',
    'workload-low|Limited|100|128|6|50',
  ]);
  await server.stop();
});

it('brings to date at its next start what is left to it, and nothing else', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const first = await startTestServer({ store });
  const call = callsTo(first);
  const patch = { 'content-type': 'application/merge-patch+json' };
  const precedence = (value: number, annotations = {}) => ({
    metadata: { annotations },
    spec: { matchingPrecedence: value },
  });
  const free = { 'apf.kubernetes.io/autoupdate-spec': 'false' };
  const level = `${FLOW}/prioritylevelconfigurations/exempt`;
  const service = `${SERVICES_PATH}/v1.apps`;
  await call('PATCH', `${FLOW}/flowschemas/probes`, precedence(3), patch);
  await call('PATCH', `${FLOW}/flowschemas/service-accounts`, precedence(9001, free), patch);
  await call('PATCH', level, { spec: { exempt: { lendablePercent: 5 } } }, patch);
  await call('PATCH', service, { spec: { versionPriority: 16 } }, patch);
  const unlabelled = { metadata: { labels: null }, spec: { versionPriority: 17 } };
  await call('PATCH', `${SERVICES_PATH}/v1.`, unlabelled, patch);
  await call('DELETE', `${FLOW}/flowschemas/system-nodes`);
  await first.stop();

  const second = await startTestServer({ store });
  const read = async (path: string) => (await callsTo(second)('GET', path)).body.spec;
  expect(await read(`${FLOW}/flowschemas/probes`)).toMatchObject({ matchingPrecedence: 2 });
  expect(await read(`${FLOW}/flowschemas/service-accounts`)).toMatchObject({ matchingPrecedence: 9001 });
  expect(await read(`${FLOW}/flowschemas/system-nodes`)).toMatchObject({ matchingPrecedence: 500 });
  expect(await read(level)).toMatchObject({ exempt: { lendablePercent: 5 } });
  expect(await read(service)).toMatchObject({ versionPriority: 15 });
  expect(await read(`${SERVICES_PATH}/v1.`)).toMatchObject({ versionPriority: 17 });
  await second.stop();
});
