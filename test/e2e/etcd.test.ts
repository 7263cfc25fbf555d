import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { whyNoEtcd } from '#store/etcd/testing/server.ts';
import { TestCluster } from '../harness/cluster.ts';
import { TestEtcd } from '../harness/etcd.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';

const FILE = new URL('../../manifests/examples/hello.yaml', import.meta.url).pathname;
const MISSING =
  whyNoHost() ??
  whyNoEtcd() ??
  (process.env['GANTRY_E2E_STORE'] ? 'every cluster is on etcd now' : undefined);

/** The main job again, with the desired state in an etcd on the cluster's host. */
describe.skipIf(MISSING)(`gantry up --store etcd://...${MISSING ? ` (${MISSING})` : ''}`, () => {
  const cluster = new TestCluster();
  const etcd = new TestEtcd(cluster.host);

  beforeAll(async () => {
    await cluster.host.create();
    await etcd.start();
    await cluster.up(['--store', etcd.store]);
    await cluster.loadImages(['gantry/busybox:1', 'gantry/hello:1', 'gantry/curl:1']);
    await cluster.must(['apply', '-f', FILE]);
    await cluster.must(['-n', 'hello', 'rollout', 'status', 'deployment/hello', '--timeout=60s']);
  });
  afterAll(async () => {
    const left = await cluster.destroy();
    await etcd.remove();
    expect(left).toEqual([]);
  });

  const objects = async () =>
    (await cluster.must(['-n', 'hello', 'get', 'configmap,secret,deployment,service', '-o', 'name'])).trim();
  const pods = async () =>
    (await cluster.json<{ items: Pod[] }>(['-n', 'hello', 'get', 'pods'])).items
      .map(({ metadata, status }) => `${metadata.uid} ${status?.phase}`)
      .sort();
  const isReady = async () =>
    (await cluster.kubectl(['get', '--raw', '/readyz'])).code === 0 ? true : undefined;
  const write = (name: string) => cluster.must(['create', 'configmap', name, '--from-literal=a=1']);

  test('kill -9 of the server: all that was applied is there again, and the same pods run', async () => {
    const before = { objects: await objects(), pods: await pods() };
    const [pid] = cluster.pids('server');
    process.kill(pid!, 'SIGKILL');
    await eventually('another server is ready', async () =>
      cluster.pids('server').some((other) => other !== pid) ? isReady() : undefined,
    );
    expect({ objects: await objects(), pods: await pods() }).toEqual(before);
    await write('after-the-server');
  });

  test('kill -9 of etcd: the server goes on when it is back', async () => {
    const before = await objects();
    await write('before-etcd-ends');
    const [server] = cluster.pids('server');
    await etcd.kill();
    await etcd.start();
    await eventually('writes are taken again', async () => ((await write('after-etcd')) ? true : undefined));
    await cluster.must(['get', 'configmap', 'before-etcd-ends', 'after-etcd']);
    expect(await objects()).toEqual(before);
    expect(cluster.pids('server')).toEqual([server]);
    await cluster.must(['-n', 'hello', 'scale', 'deployment/hello', '--replicas=4']);
    await eventually('the controllers act on it', async () =>
      (await pods()).length === 5 ? true : undefined,
    );
  });
});
