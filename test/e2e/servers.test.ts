import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Deployment, EndpointSlice, Lease, Node, Pod } from '#api/objects.ts';
import type { RotationAnswer, RotationStatus } from '#cmd/gantry/certificates/authorities/plan.ts';
import type { Rotated } from '#cmd/gantry/certificates/authorities/rotate.ts';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy } from '#machinery/pki/certificate.ts';
import { asking } from '../harness/asking.ts';
import { TestCluster } from '../harness/cluster.ts';
import { TestEtcd } from '../harness/etcd.ts';
import { whyNoHost } from '../harness/host.ts';
import { pauseHost, signalHost } from '../harness/host-processes.ts';
import { Lab, type LabHost } from '../harness/lab.ts';
import { requestLoad } from '../harness/load.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, mustRun, type Ran, run } from '../harness/run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Of both servers: a name that has the address of each, and an address that one of them has. */
const NAME = 'api.gantry.test';
const VIRTUAL = '192.0.2.100';

/** Two servers on one etcd, and a node of its own: what goes on when one of the servers goes. */
describe.skipIf(whyNoHost())('two servers', () => {
  const lab = new Lab({ hosts: 4 });
  const [one, two, three, four] = lab.hosts as [LabHost, LabHost, LabHost, LabHost];
  const etcd = new TestEtcd(four, four.address);
  const cluster = new TestCluster(one);
  const second = new TestMachine(two, 'node-2');
  const node = new TestMachine(three, 'node-3');
  const flags = [
    ...['--store', etcd.store, '--leader-lease', '3s'],
    ...['--tls-san', NAME, '--virtual-address', VIRTUAL],
  ];

  /** kubectl on the second server, asking that one. */
  const there = async (args: readonly string[], input?: string): Promise<Ran> => {
    const env = { KUBECONFIG: join(second.directory, 'admin.kubeconfig'), HOME: second.home };
    const [command, all] = two.inside(cluster.kubectlBinary, args);
    return await run(command, all, { env, ...(input !== undefined && { input }) });
  };
  const must = async (args: readonly string[], input?: string) => {
    const ran = await there(args, input);
    if (ran.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${ran.stderr}${ran.stdout}`);
    return ran.stdout;
  };
  /** `install`: by curl alone. */
  const line = async (role: string, how: 'command' | 'install' = 'command') =>
    JSON.parse(await cluster.gantry(['token', 'create', '--role', role, '-o', 'json']))[how] as string;
  const holder = async (lease: string) => {
    const found = JSON.parse(await must(['get', 'lease', '-n', 'kube-system', lease, '-o', 'json'])) as Lease;
    return found.spec?.holderIdentity ?? '';
  };
  const servers = async () => {
    const slice = JSON.parse(
      await must(['get', 'endpointslice', 'kubernetes', '-o', 'json']),
    ) as EndpointSlice;
    return slice.endpoints!.flatMap(({ addresses }) => addresses).sort();
  };
  const orLog = async (what: string, look: () => Promise<true | undefined>, ms = 40_000) =>
    await eventually(what, look, { timeoutMs: ms }).catch((error) => {
      const lines = (log: string) => log.split('\n').slice(-25).join('\n');
      throw new Error(
        `${error.message}\n${lines(cluster.log)}\n--\n${lines(second.log)}\n--\n${lines(node.log)}`,
      );
    });
  const ready = (name: string) =>
    orLog(
      `${name} is Ready`,
      async () =>
        (await there(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=1s'])).code === 0 ||
        undefined,
    );

  /** Asks from the third host, on and on, by the name or the virtual address; `stop` says what came of it. */
  const byAll = async (how: 'name' | 'virtual address') => {
    const hosts = join(cluster.directory, 'hosts');
    const kubeconfig = join(cluster.directory, `${how}.kubeconfig`);
    writeFileSync(hosts, [one, two].map(({ address }) => `${address} ${NAME}\n`).join(''));
    const server = how === 'name' ? ['--server', `https://${NAME}:6443`] : [];
    const text = await cluster.gantry(['kubeconfig', ...server]);
    expect(text).toContain(how === 'name' ? `https://${NAME}:6443` : `https://${VIRTUAL}:6443`);
    writeFileSync(kubeconfig, text);
    const script = `mount --bind '${hosts}' /etc/hosts && exec ${cluster.kubectlBinary} get --raw /readyz --request-timeout=${how === 'name' ? 20 : 3}s`;
    const [command, args] = three.inside('unshare', ['--mount', 'sh', '-c', script]);
    const env = { KUBECONFIG: kubeconfig, HOME: cluster.directory };
    const asked = asking(async () => (await run(command, args, { env, timeoutMs: 20_000 })).code === 0);
    return {
      async stop(when: string) {
        const { answered, failed, longestGapMs } = await asked.stop();
        const gap = `${Math.round(longestGapMs)} ms`;
        console.log(
          `      ${when}: no answer by the ${how} for ${gap}, ${failed} of ${answered + failed} failed`,
        );
        expect(answered).toBeGreaterThanOrEqual(3);
      },
    };
  };
  /** Hosts that have the virtual address. */
  const holders = async () => {
    const has = async (host: LabHost) =>
      (await mustRun(...host.inside('ip', ['-o', 'address', 'show', 'to', VIRTUAL]))) !== '';
    const found: LabHost[] = [];
    for (const host of [one, two]) if (await has(host)) found.push(host);
    // It may have moved between the two looks.
    return found.length === 2 && !(await has(one)) ? [two] : found;
  };
  const heldBy = (host: LabHost) =>
    orLog(`${host.address} has the virtual address alone`, async () => {
      const found = await holders();
      return (found.length === 1 && found[0] === host) || undefined;
    });
  /** The other one gets it, and at no time both have it. */
  const handsOver = async (from: LabHost, to: LabHost) => {
    const began = performance.now();
    let atBoth = 0;
    await orLog(`${to.address} takes the virtual address`, async () => {
      const found = await holders();
      if (found.length > 1) atBoth++;
      return (found.length === 1 && found[0] === to) || undefined;
    });
    expect(atBoth).toBe(0);
    const ms = Math.round(performance.now() - began);
    console.log(`      ${to.address} has the address ${ms} ms after ${from.address} could not keep it`);
  };

  beforeAll(async () => {
    await lab.create();
    await etcd.start();
    await cluster.up(flags);
  });
  afterAll(async () => {
    const left: string[] = [];
    for (const machine of [node, second]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await etcd.remove();
    await lab.remove();
    expect(left).toEqual([]);
  });

  test('a machine joins as a server, and both are known', async () => {
    second.start(await line('server', 'install'));
    await orLog(
      'its API is ready',
      async () => (await there(['get', '--raw', '/readyz'])).code === 0 || undefined,
    );
    await orLog(
      'both are known',
      async () => (await servers()).join() === `${one.address},${two.address}` || undefined,
    );
    await ready('node-2');
  });

  test('a token for nodes makes no server', async () => {
    const other = new TestMachine(three, 'node-9');
    const wrong = `${await line('node')} --role server`;
    const { code, stderr } = await other.run(wrong);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('this token makes nodes'),
    });
    expect(await other.destroy()).toEqual([]);
  });

  test('a node reaches both, and both reach its pods', async () => {
    node.start(await line('node'));
    await ready('node-3');
    await cluster.loadImages(['gantry/hello:1']);
    for (const machine of [second, node])
      await machine.gantry(['image', 'import', 'dist/images/gantry-hello-1.tar']);
    const overrides = JSON.stringify({ spec: { nodeName: 'node-3' } });
    await must(['run', 'far', '--image=gantry/hello:1', '--overrides', overrides]);
    await must(['wait', '--for=condition=Ready', 'pod/far', '--timeout=30s']);
    expect((await must(['exec', 'far', '--', 'hostname'])).trim()).toBe('far');
    expect((await cluster.must(['exec', 'far', '--', 'hostname'])).trim()).toBe('far');
  });

  test('a server that the node cannot reach any more reaches it through the other', async () => {
    for (const [from, to] of [
      [one, three],
      [three, one],
    ] as const)
      await lab.fault(from, to, { kind: 'cut' });
    const cut = Date.now();
    // Its own tunnel is dead, and it does not know that yet.
    expect((await cluster.must(['exec', 'far', '--', 'hostname'])).trim()).toBe('far');
    console.log(`      reached through the other server ${Date.now() - cut} ms after the cut`);
    await cluster.must(['logs', 'far']);
    const path = '/api/v1/namespaces/default/pods/far:8080/proxy/healthz';
    expect(await cluster.must(['get', '--raw', path])).toBe('ok\n');
    await lab.heal(one, three);
    await lab.heal(three, one);
    await ready('node-3');
  });

  test('one of them is at work', async () => {
    const leaders = [await holder('kube-controller-manager'), await holder('kube-scheduler')];
    for (const leader of leaders) expect(leader).not.toBe('');
  });

  test('all authorities are replaced while everything goes on; what knows the old ones goes on until they are dropped', async () => {
    const pki = (name: string, of = cluster.directory) => readFileSync(join(of, 'pki', name), 'utf8');
    const rotate = (...args: string[]) =>
      cluster.inside(join(ROOT, 'bin/gantry'), [
        ...['certs', 'rotate', '--timeout', '60s', '-o', 'json', '--data-dir', cluster.directory],
        ...args,
      ]);
    const old = Object.fromEntries(
      ['server-ca.crt', 'admin.crt', 'admin.key'].map((name) => {
        const path = join(cluster.directory, `old-${name}`);
        writeFileSync(path, pki(name));
        return [name, path];
      }),
    );
    /** What each server answers to the administrator of before. */
    const answers = async (authority: string) => {
      const client = ['--cert', old['admin.crt']!, '--key', old['admin.key']!, '--cacert', authority];
      const calls = [one, two].map(({ address }) =>
        cluster.inside('curl', [
          ...['-s', '-o', '/dev/null', '-w', '%{http_code}', ...client],
          `https://${address}:6443/api/v1/nodes`,
        ]),
      );
      return (await Promise.all(calls)).map(({ stdout }) => stdout);
    };
    /** What each server answers to an account that may do nothing: it is known (403), or nobody's (401). */
    const token = (await must(['create', 'token', 'default'])).trim();
    const asAccount = async () => {
      const header = `authorization: Bearer ${token}`;
      const calls = [one, two].map(({ address }) =>
        cluster.inside('curl', [
          ...['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', header],
          ...['--cacert', join(cluster.directory, 'pki/server-ca.crt')],
          `https://${address}:6443/api/v1/nodes`,
        ]),
      );
      return (await Promise.all(calls)).map(({ stdout }) => stdout);
    };
    const other = new TestMachine(three, 'node-8');
    const oldLine = `${await line('node')} --role server`;
    const joins = async () => (await other.run(oldLine)).stderr;
    const names = ['server-ca', 'client-ca', 'node-ca', 'service-account'] as const;
    const firsts = Object.fromEntries(names.map((name) => [name, certificatesIn(pki(`${name}.crt`))[0]!]));
    expect(await answers(old['server-ca.crt']!)).toEqual(['200', '200']);

    const rotating = { done: false };
    const meanwhile = (async () => {
      const all: string[] = [];
      while (!rotating.done) all.push(...(await answers(old['server-ca.crt']!)));
      return all;
    })();
    const rotated = await rotate();
    rotating.done = true;
    const seen = await meanwhile;
    console.log(`      ${seen.length} requests while all four were replaced`);
    expect(seen.filter((status) => status !== '200')).toEqual([]);
    expect(
      rotated,
      `${cluster.log.split('\n').slice(-30).join('\n')}\n--\n${node.log.split('\n').slice(-20).join('\n')}`,
    ).toMatchObject({ code: 0 });
    const told = JSON.parse(rotated.stdout) as RotationAnswer;
    for (const one of told.authorities)
      expect(one).toMatchObject({ phase: 'issue', waitsFor: { servers: [], nodes: [] } });
    expect(told.authorities.map(({ name }) => name)).toEqual([...names]);
    const tokens = told.authorities.flatMap((one) => one.tokens);
    expect(tokens.length).toBeGreaterThanOrEqual(3);
    const made = Object.fromEntries(names.map((name) => [name, certificatesIn(pki(`${name}.crt`))[0]!]));
    for (const name of names) expect(made[name]).not.toBe(firsts[name]);
    const held = readFileSync(join(node.directory, 'pki/node-node-3.pem'), 'utf8');
    expect(isSignedBy(held.slice(held.indexOf('-----BEGIN CERT')), made['client-ca']!)).toBe(true);
    expect(isSignedBy(pki('server.crt', second.directory), made['server-ca']!)).toBe(true);
    expect(await answers(old['server-ca.crt']!)).toEqual(['200', '200']);
    const rows = JSON.parse(await cluster.gantry(['certs', 'status', '-o', 'json'])) as {
      rotation?: RotationStatus;
    }[];
    expect(rows.flatMap(({ rotation }) => rotation?.next.step ?? [])).toEqual(names.map(() => 'drop'));
    expect(await asAccount()).toEqual(['403', '403']);
    expect(await joins()).toContain('this token makes nodes');
    expect(await rotate()).toMatchObject({ code: 1, stderr: expect.stringContaining('--drop-old first') });

    const by = async () =>
      (await cluster.json<Node>(['get', 'node', 'node-3'])).metadata.annotations!['gantry.dev/certified-by']!;
    const hash = await by();
    await cluster.must(['annotate', '--overwrite', 'node', 'node-3', 'gantry.dev/certified-by=another']);
    expect(await rotate('--drop-old')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('client-ca yet: nodes node-3'),
    });
    await cluster.must(['annotate', '--overwrite', 'node', 'node-3', `gantry.dev/certified-by=${hash}`]);
    const dropped = JSON.parse((await rotate('--drop-old')).stdout) as Rotated;
    expect(dropped).toMatchObject({ endedTokens: tokens, kept: [{ name: 'service-account' }] });
    for (const one of dropped.authorities) expect(one).toMatchObject({ phase: 'stable', authorities: [{}] });
    for (const directory of [cluster.directory, second.directory, node.directory])
      expect(certificatesIn(pki('server-ca.crt', directory))).toEqual([made['server-ca']]);
    expect(await asAccount()).toEqual(['403', '403']);
    expect(await rotate('--drop-old', '--force', 'service-account')).toMatchObject({ code: 0 });
    expect(await asAccount()).toEqual(['401', '401']);
    for (const name of ['client-ca', 'node-ca', 'service-account'] as const)
      expect(certificatesIn(pki(`${name}.crt`, second.directory))).toEqual([made[name]]);
    const root = await must(['get', 'configmap', 'kube-root-ca.crt', '-o', 'jsonpath={.data.ca\\.crt}']);
    expect(certificatesIn(root)).toEqual([made['server-ca']]);
    expect(await answers(old['server-ca.crt']!)).toEqual(['000', '000']);
    expect(await answers(join(cluster.directory, 'pki/server-ca.crt'))).toEqual(['403', '403']);
    expect(await joins()).toContain('its authority has another hash');
    // What is left on that host is the node's that runs there.
    await other.destroy();
    await must(['logs', 'far']);

    await node.stop();
    node.start(`gantry join https://${one.address}:6443`);
    await ready('node-3');
    expect((await must(['exec', 'far', '--', 'hostname'])).trim()).toBe('far');
  });

  test('the virtual address is at one server, and never at two, whatever happens to it', async () => {
    await heldBy(one);
    const status = await cluster.must(['get', 'lease', '-n', 'kube-system', 'virtual-address-192-0-2-100']);
    expect(status).toContain('node-1');
    await pauseHost(one.name);
    await handsOver(one, two);
    signalHost(one.name, 'SIGCONT');
    for (const end = performance.now() + 2_000; performance.now() < end; )
      expect((await holders()).length).toBeLessThan(2);
    await lab.cut(two);
    await handsOver(two, one);
    await lab.cut(two, false);
    await ready('node-2');
    await heldBy(one);
    const { items } = await cluster.json<{ items: { message: string }[] }>([
      ...['get', 'events', '--field-selector', 'reason=VirtualAddressTaken'],
    ]);
    expect(items.map(({ message }) => message)).toContain(`${VIRTUAL} is on uplink of node-2 now`);
    const metrics = await cluster.must(['get', '--raw', '/metrics']);
    expect(metrics).toContain(`gantry_virtual_address_held{address="${VIRTUAL}"} 1\n`);
    // No node takes it for its own.
    const { status: node1 } = await cluster.json<Node>(['get', 'node', 'node-1']);
    expect(node1!.addresses!.map(({ address }) => address)).not.toContain(VIRTUAL);
  });

  test('when the first dies everything goes on: nodes, pods, controllers, the Service', async () => {
    // What is placed there before it is known to be dead would wait for it.
    await must(['cordon', 'node-1']);
    await must(['create', 'deployment', 'web', '--image=gantry/hello:1', '--replicas=2', '--port=8080']);
    await must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080', '--type=NodePort']);
    await must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const port = (await must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'])).trim();
    const load = requestLoad({ host: four }, `http://${three.address}:${port}/healthz`);
    const byAny = await line('node', 'install');
    expect(byAny).toContain(`https://${VIRTUAL}:6443`);
    const [byName, byVirtual] = [await byAll('name'), await byAll('virtual address')];
    for (const role of ['up', 'server', 'agent'] as const)
      for (const pid of cluster.pids(role)) process.kill(pid, 'SIGKILL');
    const died = Date.now();
    // Its machine's own commands find the other one.
    expect(await cluster.gantry(['token', 'ls'])).toContain('node');
    await must(['scale', 'deployment', 'web', '--replicas=4']);
    await must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    console.log(`      four replicas ${Date.now() - died} ms after the death of a server`);
    await orLog('the dead one is forgotten', async () =>
      (await servers()).join() === two.address ? true : undefined,
    );
    await ready('node-3');
    await heldBy(two);
    await byName.stop('a server was killed');
    await byVirtual.stop('a server was killed');
    const late = new TestMachine(four, 'node-4');
    late.start(byAny);
    await ready('node-4');
    const { answered, failed } = await load.stop();
    console.log(`      ${failed} of ${answered + failed} requests failed meanwhile`);
    expect(answered).toBeGreaterThan(100);
    expect(failed).toBe(0);
    const { items } = JSON.parse(await must(['get', 'pods', '-l', 'app=web', '-o', 'json'])) as {
      items: Pod[];
    };
    expect(items.filter(({ status }) => status?.phase === 'Running')).toHaveLength(4);
    expect(await late.run('gantry leave')).toMatchObject({ code: 0 });
    expect(await late.destroy()).toEqual([]);
  });

  test('it comes back, and the other one may go in peace', async () => {
    await cluster.up(flags);
    await cluster.must(['uncordon', 'node-1']);
    await orLog('both are known', async () =>
      (await servers()).join() === [one.address, two.address].join() ? true : undefined,
    );
    const [byName, byVirtual] = [await byAll('name'), await byAll('virtual address')];
    await second.stop();
    await heldBy(one);
    await byName.stop('a server was stopped');
    await byVirtual.stop('a server was stopped');
    const left = Date.now();
    await cluster.must(['scale', 'deployment', 'web', '--replicas=1']);
    await eventually(
      'it is scaled',
      async () => {
        // Pods of a node whose agent has stopped stay until it is back.
        const { status } = await cluster.json<Deployment>(['get', 'deployment', 'web']);
        return status?.replicas === 1 ? true : undefined;
      },
      { timeoutMs: 60_000 },
    );
    console.log(`      scaled ${Date.now() - left} ms after the end of a server`);
    expect((await cluster.must(['exec', 'far', '--', 'hostname'])).trim()).toBe('far');
    await cluster.must(['wait', '--for=condition=Ready', 'node/node-3', '--timeout=20s']);
  });

  test('a server that leaves is one no more, at once, and the last one cannot', async () => {
    second.start(`gantry join https://${one.address}:6443 --role server`);
    await orLog('both are known', async () =>
      (await servers()).join() === [one.address, two.address].join() ? true : undefined,
    );
    await ready('node-2');
    const { code, stdout, stderr } = await second.run('gantry leave --force -o json');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toEqual({ node: 'node-2', role: 'server', told: true, purged: false });
    const slice = await cluster.json<EndpointSlice>(['get', 'endpointslice', 'kubernetes']);
    expect(slice.endpoints!.flatMap(({ addresses }) => addresses)).toEqual([one.address]);
    expect((await cluster.kubectl(['get', 'node', 'node-2'])).stderr).toContain('not found');
    const leases = await cluster.must(['get', 'lease', '-n', 'kube-system', '-o', 'name']);
    expect(leases).not.toContain(two.address.replaceAll('.', '-'));
    expect(readdirSync(second.directory)).toEqual(['agent']);
    await cluster.must(['scale', 'deployment', 'web', '--replicas=2']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=30s']);
    const last = await cluster.inside(join(ROOT, 'bin/gantry'), ['leave', '--data-dir', cluster.directory]);
    expect(last).toMatchObject({ code: 1, stderr: expect.stringContaining('this is the only server') });
  });
});
