import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigMap, EndpointSlice, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { TestEtcd } from '../harness/etcd.ts';
import { whyNoHost } from '../harness/host.ts';
import { Lab } from '../harness/lab.ts';
import { writeLoad } from '../harness/load.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually } from '../harness/run.ts';
import { Web } from '../harness/web.ts';

const MISSING =
  whyNoHost() ?? (process.env['GANTRY_E2E_STORE'] ? 'begins with the embedded store' : undefined);

/** A cluster in use goes from SQLite to etcd, and gets a second server. */
describe.skipIf(MISSING)(`gantry promote${MISSING ? ` (${MISSING})` : ''}`, () => {
  const lab = new Lab({ hosts: 3 });
  const [one, two, three] = lab.hosts as [Lab['hosts'][0], Lab['hosts'][0], Lab['hosts'][0]];
  const etcd = new TestEtcd(three, three.address);
  const cluster = new TestCluster(one);
  const web = new Web(cluster);
  const second = new TestMachine(two, 'node-2');
  const flags = ['--leader-lease', '3s'];

  beforeAll(async () => {
    await lab.create();
    await etcd.start();
    await cluster.up(flags);
    await web.deploy();
    await cluster.must(['create', 'secret', 'generic', 'door', '--from-literal=password=open']);
  });
  afterAll(async () => {
    const left = [...(await second.destroy()), ...(await cluster.destroy())];
    await etcd.remove();
    await lab.remove();
    expect(left).toEqual([]);
  });

  const promote = () => cluster.gantry(['promote', '--to', etcd.store, '-o', 'json']);
  const version = async () =>
    Number(JSON.parse(await cluster.must(['get', '--raw', '/api/v1/configmaps'])).metadata.resourceVersion);
  const pods = async () =>
    (await cluster.json<{ items: Pod[] }>(['get', 'pods', '-A'])).items
      .map(
        ({ metadata, status }) =>
          `${metadata.uid} ${status?.phase} ${status?.containerStatuses?.[0]?.containerID} ${status?.containerStatuses?.[0]?.restartCount}`,
      )
      .sort();
  const isReady = () =>
    eventually('the API is ready', async () =>
      (await cluster.kubectl(['get', '--raw', '/readyz'])).code === 0 ? true : undefined,
    );

  test('an etcd that does not answer is none, and nothing has changed', async () => {
    await etcd.kill();
    await expect(promote()).rejects.toThrow(/the old store is in charge as before: .* does not answer/);
    await cluster.must(['create', 'configmap', 'after-refusal']);
    await etcd.start();
  });

  test('a server that is killed while it promotes goes on with the old store', async () => {
    const [server] = cluster.pids('server');
    const begun = (log: string) => log.split('The cluster is being promoted').length;
    const before = begun(cluster.log);
    const promoting = promote().catch((error: Error) => error.message);
    await eventually('it has begun', async () => begun(cluster.log) > before || undefined, { everyMs: 2 });
    etcd.signal('SIGSTOP');
    process.kill(server!, 'SIGKILL');
    etcd.signal('SIGCONT');
    expect(await promoting).toMatch(/not promoted, the old store is in charge/);
    expect(existsSync(join(cluster.directory, 'store.json'))).toBe(false);
    await isReady();
    await cluster.must(['get', 'configmap', 'after-refusal']);
  });

  test('under writes, all that was acknowledged is there, versions only grow, and pods run on', async () => {
    const before = await pods();
    const seen: number[] = [await version()];
    const loads = ['a', 'b', 'c'].map((prefix) => writeLoad(cluster, prefix));
    await eventually('writes are acknowledged', async () =>
      loads.every(({ ledger }) => ledger.size > 3) ? true : undefined,
    );
    const ended = { yet: false };
    const looking = (async () => {
      while (!ended.yet)
        await version().then(
          (now) => seen.push(now),
          () => undefined,
        );
    })();
    const { heldMs, awayMs, entries } = JSON.parse(await promote());
    const sizes = loads.map(({ ledger }) => ledger.size);
    await eventually('writes are acknowledged again', async () =>
      loads.every(({ ledger }, at) => ledger.size > sizes[at]! + 3) ? true : undefined,
    );
    ended.yet = true;
    await looking;
    console.log(`      ${entries} entries: writes held for ${heldMs} ms, ready again after ${awayMs} ms`);
    for (const load of loads) {
      const ledger = await load.stop();
      const { items } = await cluster.json<{ items: ConfigMap[] }>(['get', 'configmaps']);
      const held = new Map(items.map((item) => [item.metadata.name, Number(item.data?.['n'])]));
      expect(ledger.lost(held)).toEqual([]);
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(await pods()).toEqual(before);
    const old = ['get', '--raw', `/api/v1/configmaps?watch=true&timeoutSeconds=1&resourceVersion=${seen[0]}`];
    expect((await cluster.must(old)).trim()).toMatch(/"code":410/);
  });

  test('it is used as before: secrets, logs, controllers, and with the flags of before', async () => {
    const password = ['get', 'secret', 'door', '-o', 'jsonpath={.data.password}'];
    expect((await cluster.must(password)).trim()).toBe(Buffer.from('open').toString('base64'));
    await expect(promote()).rejects.toThrow('already');
    const running = await pods();
    await cluster.stop();
    const bySqlite = ['up', '--data-dir', cluster.directory, '--node-name', 'node-1', '--store', 'sqlite'];
    const refused = await cluster.inside(join(import.meta.dirname, '../../bin/gantry'), bySqlite);
    expect(refused).toMatchObject({ code: 78, stderr: expect.stringContaining(`moved to ${etcd.store}`) });
    await cluster.up(flags);
    expect(await pods()).toEqual(running);
    await web.allReady();
    await eventually('the Service answers', () => web.answers());
  });

  test('a second server joins', async () => {
    const { command } = JSON.parse(
      await cluster.gantry(['token', 'create', '--role', 'server', '-o', 'json']),
    );
    second.start(command);
    await eventually(
      'both are known',
      async () => {
        const slice = await cluster.json<EndpointSlice>(['get', 'endpointslice', 'kubernetes']);
        const found = slice.endpoints!.flatMap(({ addresses }) => addresses).sort();
        return found.join() === `${one.address},${two.address}` || undefined;
      },
      { timeoutMs: 60_000 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${second.log.split('\n').slice(-25).join('\n')}`);
    });
  });
});
