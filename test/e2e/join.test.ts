import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { Lab } from '../harness/lab.ts';
import { requestLoad } from '../harness/load.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, run } from '../harness/run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Three machines on two subnets: the second one joins from another subnet, the third beside the first. */
describe.skipIf(whyNoHost())('a cluster of three machines', () => {
  const lab = new Lab({ hosts: 3, subnets: 2 });
  const cluster = new TestCluster(lab.hosts[0]!);
  const far = new TestMachine(lab.hosts[1]!, 'node-2');
  const near = new TestMachine(lab.hosts[2]!, 'node-3');
  const intruder = new TestMachine(lab.hosts[2]!, 'node-2');
  const nodes = ['node-1', 'node-2', 'node-3'];
  let server = '';

  async function token(): Promise<{ command: string; install: string; token: string }> {
    return JSON.parse(await cluster.gantry(['token', 'create', '-o', 'json']));
  }
  const isReady = (name: string, machine: TestMachine) =>
    eventually(
      `${name} is Ready`,
      async () => {
        const args = ['wait', '--for=condition=Ready', `node/${name}`, '--timeout=1s'];
        return (await cluster.kubectl(args)).code === 0 || undefined;
      },
      { timeoutMs: 30_000 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${machine.log.split('\n').slice(-30).join('\n')}`);
    });
  const sh = async (pod: string, script: string) =>
    (await cluster.kubectl(['exec', pod, '--', 'sh', '-c', `{ ${script}; } 2>&1`])).stdout.trim();
  const podOn = async (node: string) => {
    const { items } = await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web']);
    return items.find(({ spec }) => spec!.nodeName === node)!;
  };

  beforeAll(async () => {
    await lab.create();
    // Its host is the lab's.
    await cluster.up(['--vxlan', '7:4790', '--node-grace-period', '10s']);
    server = `https://${lab.hosts[0]!.address}:6443`;
  });
  afterAll(async () => {
    const left: string[] = [];
    for (const machine of [far, near, intruder]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await lab.remove();
    expect(left).toEqual([]);
  });

  test('a machine with nothing but curl joins by one line', async () => {
    const { install } = await token();
    expect(install).toContain(`${server}/.well-known/gantry/join.sh`);
    far.start(install);
    await isReady('node-2', far);
    expect(far.log).toContain('This machine has joined');
  });

  test('a machine where gantry is installed joins by another', async () => {
    near.start((await token()).command);
    await isReady('node-3', near);
    const { items } = await cluster.json<{ items: Node[] }>(['get', 'nodes']);
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(nodes);
    const blocks = items.map(({ spec }) => spec?.podCIDR);
    expect(new Set(blocks).size).toBe(3);
  });

  test.each<[string, (made: { command: string; token: string }) => string, string]>([
    [
      'of a name that is taken',
      ({ command }) => command,
      'is another machine: its name is bound to another key',
    ],
    [
      'with a token that nobody made',
      ({ command }) => command.replace(/(--token )....../, '$1aaaaaa'),
      'does not know this token',
    ],
    [
      'with another authority’s hash',
      ({ command }) => command.replace(/.{6}$/, '000000'),
      'is not the server that this token is for',
    ],
    ['without a token', ({ command }) => command.replace(/--token.*/, ''), '--token is needed'],
    [
      'at a server that is not there',
      ({ command }) => command.replace(':6443', ':6444'),
      'cannot be reached',
    ],
    [
      'of nonsense',
      ({ token: text }) => `gantry join nowhere --token ${text}`,
      'is no server: write it as https://',
    ],
  ])('a machine %s is refused, with the reason', async (_, line, why) => {
    const { code, stderr } = await intruder.run(line(await token()));
    expect(stderr).toContain(why);
    expect(code).toBe(1);
  });

  describe('with a pod on each', () => {
    beforeAll(async () => {
      await cluster.loadImages(['gantry/hello:1', 'gantry/curl:1']);
      for (const machine of [far, near])
        for (const image of ['hello', 'curl'])
          await machine.gantry(['image', 'import', `dist/images/gantry-${image}-1.tar`]);
      const affinity = {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' },
          ],
        },
      };
      // Other nodes learn a moment later that a pod goes: until then it has to answer.
      const lifecycle = { preStop: { sleep: { seconds: 2 } } };
      const web = { name: 'web', image: 'gantry/hello:1', ports: [{ containerPort: 8080 }], lifecycle };
      const template = {
        metadata: { labels: { app: 'web' } },
        spec: {
          affinity,
          containers: [web],
        },
      };
      const deployment = {
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
        spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template },
      };
      await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
      await cluster.must([
        'expose',
        'deployment',
        'web',
        '--port=80',
        '--target-port=8080',
        '--type=NodePort',
      ]);
      for (const node of nodes)
        await cluster.must([
          ...['run', `client-${node}`, '--image=gantry/curl:1'],
          ...[
            '--overrides',
            JSON.stringify({ spec: { nodeName: node } }),
            '--command',
            '--',
            'sleep',
            '1000',
          ],
        ]);
      await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
      await cluster.must(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
    });

    test('logs, exec and copies go through the tunnels of their nodes', async () => {
      for (const node of nodes) {
        const { metadata } = await podOn(node);
        expect(await sh(metadata.name, 'hostname')).toBe(metadata.name);
        expect((await cluster.kubectl(['logs', metadata.name])).code).toBe(0);
      }
    });

    test('pods reach each other across nodes and subnets, without translation', async () => {
      for (const from of nodes)
        for (const to of nodes) {
          const target = (await podOn(to)).status!.podIP!;
          const own = (await cluster.json<Pod>(['get', 'pod', `client-${from}`])).status!.podIP!;
          const page = await sh(`client-${from}`, `curl -sS -m 5 http://${target}:8080/cgi-bin/hello`);
          expect(page, `${from} to ${to}`).toMatch(new RegExp(`client: .*[: ]${own}\\b`));
        }
    });

    test('the way between subnets is the network that the first server was told', async () => {
      for (const host of lab.hosts) {
        const [command, args] = host.inside('ip', ['-d', 'link', 'show', 'type', 'vxlan']);
        expect((await run(command, args)).stdout, host.address).toMatch(
          new RegExp(`vxlan id 7 local ${host.address} .* dstport 4790 nolearning`),
        );
      }
    });

    test('much goes through, larger than any packet', async () => {
      const own = (await cluster.json<Pod>(['get', 'pod', 'client-node-1'])).status!.podIP!;
      const make = 'dd if=/dev/urandom of=/tmp/big bs=1M count=20 2>/dev/null && httpd -p 9000 -h /tmp';
      const sum = await sh('client-node-1', `${make}; sha256sum < /tmp/big`);
      for (const from of ['node-2', 'node-3']) {
        const seen = await sh(`client-${from}`, `curl -sS -m 20 http://${own}:9000/big | sha256sum`);
        expect(seen, from).toBe(sum);
      }
    });

    test('a Service answers on every node, from every node’s pods; so does its node port', async () => {
      const { spec } = await cluster.json<{ spec: { clusterIP: string; ports: { nodePort: number }[] } }>([
        ...['get', 'service', 'web'],
      ]);
      for (const node of nodes) {
        const seen = await sh(
          `client-${node}`,
          'for i in $(seq 30); do curl -sS -m 5 http://web/cgi-bin/hello | head -1; done | sort | uniq -c',
        );
        expect(seen.split('\n').length, `${node}: ${seen}`).toBe(3);
      }
      for (const host of lab.hosts)
        for (const target of lab.hosts) {
          const url = `http://${target.address}:${spec.ports[0]!.nodePort}/healthz`;
          const [command, args] = host.inside('curl', ['-sS', '-m', '5', url]);
          expect((await run(command, args)).stdout, `${host.address} to ${target.address}`).toBe('ok\n');
        }
    });

    test('a rolling restart loses no request, whichever node is asked', async () => {
      const port = (
        await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'])
      ).trim();
      const loads = lab.hosts.map((host) => requestLoad(cluster, `http://${host.address}:${port}/healthz`));
      await cluster.must([
        'patch',
        'deployment',
        'web',
        '--type=json',
        '-p',
        JSON.stringify([
          {
            op: 'replace',
            path: '/spec/strategy',
            value: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
          },
        ]),
      ]);
      await cluster.must(['rollout', 'restart', 'deployment/web']);
      await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s']);
      const counts = await Promise.all(loads.map((load) => load.stop()));
      console.log(
        `      ${counts.map(({ answered, failed }) => `${failed} of ${answered + failed}`).join(', ')} requests failed meanwhile`,
      );
      for (const { answered, failed } of counts) {
        expect(answered).toBeGreaterThan(20);
        expect(failed).toBe(0);
      }
    });

    test('a machine that comes back needs no token, and its containers have run on', async () => {
      const before = (await podOn('node-2')).status!.containerStatuses![0]!;
      await far.stop();
      far.start(`${far.home}/bin/gantry join ${server}`);
      await isReady('node-2', far);
      await eventually('its pod is known', async () => {
        const now = (await podOn('node-2'))?.status?.containerStatuses?.[0];
        return now?.ready && now.containerID === before.containerID ? true : undefined;
      });
      expect((await podOn('node-2')).status!.containerStatuses![0]!.restartCount).toBe(before.restartCount);
    });

    test('a machine whose Node was deleted is out, and comes back with a token', async () => {
      await cluster.must(['delete', 'node', 'node-3']);
      await near.stop();
      const { code, stderr } = await near.run(`gantry join ${server}`);
      expect(stderr).toContain('node-3 was removed from the cluster: join again, with --token');
      expect(code).toBe(1);
      expect((await cluster.kubectl(['get', 'node', 'node-3'])).stderr).toContain('not found');
      near.start((await token()).command);
      await isReady('node-3', near);
    });

    describe('whose machines come and go', () => {
      const gantry = (args: readonly string[]) => cluster.gantry(args);
      const rows = async () =>
        JSON.parse(await gantry(['node', 'ls', '-o', 'json'])) as Record<string, unknown>[];
      const row = async (name: string) => (await rows()).find((one) => one['name'] === name);
      const leave = (machine: TestMachine, args = '') => machine.run(`gantry leave ${args}`);

      beforeAll(async () => {
        // Anywhere, for the machines that stay have to take all of them; but so many that each has some.
        await cluster.must(['scale', 'deployment', 'web', '--replicas=0']);
        await cluster.must(['wait', '--for=delete', 'pod', '-l', 'app=web', '--timeout=30s']);
        const patch = { spec: { replicas: 8, template: { spec: { affinity: null } } } };
        await cluster.must(['patch', 'deployment', 'web', '--type=merge', '-p', JSON.stringify(patch)]);
        // That of the Node that was deleted goes with it, sooner or later.
        for (const node of nodes)
          await cluster.must(['delete', 'pod', `client-${node}`, '--now', '--ignore-not-found']);
        await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s']);
      });

      test('a leave that a disruption budget holds back says so, and the machine stays', async () => {
        await cluster.must(['create', 'pdb', 'web', '--selector=app=web', '--min-available=8']);
        const { code, stderr } = await leave(near, '--timeout 3s');
        expect(stderr).toMatch(
          /node-3 is not drained after 3 s: .*The disruption budget web needs 8 healthy pods and has 8 currently/,
        );
        expect(code).toBe(1);
        expect(await row('node-3')).toMatchObject({
          ...{ status: 'Ready', availability: 'drain', drained: false, schedulable: false },
          reason: expect.stringContaining('The disruption budget web needs 8 healthy pods'),
        });
      });

      test('its drain goes on when the budget lets it, until the node is active again', async () => {
        await cluster.must(['delete', 'pdb', 'web']);
        await eventually(
          'it is drained',
          async () => (await row('node-3'))?.['drained'] === true || undefined,
        );
        expect(await podOn('node-3')).toBeUndefined();
        await gantry(['node', 'update', 'node-3', '--availability', 'active']);
        await eventually(
          'it takes pods',
          async () => (await row('node-3'))?.['schedulable'] === true || undefined,
        );
        expect((await row('node-3'))?.['drained']).toBeUndefined();
      });

      test('a machine that leaves loses no request, and its name is free', async () => {
        const spread = ['rollout', 'restart', 'deployment/web'];
        await cluster.must(spread);
        await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s']);
        expect(await podOn('node-3')).toBeDefined();
        const port = (
          await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'])
        ).trim();
        const loads = lab.hosts
          .slice(0, 2)
          .map((host) => requestLoad(cluster, `http://${host.address}:${port}/healthz`));
        const began = Date.now();
        const { code, stdout, stderr } = await leave(near, '-o json');
        const tookMs = Date.now() - began;
        const counts = await Promise.all(loads.map((load) => load.stop()));
        expect({ code, stderr }).toMatchObject({ code: 0 });
        expect(JSON.parse(stdout)).toEqual({ node: 'node-3', role: 'node', told: true, purged: false });
        console.log(
          `      left in ${tookMs} ms; ${counts.map(({ answered, failed }) => `${failed} of ${answered + failed}`).join(', ')} requests failed meanwhile`,
        );
        for (const { answered, failed } of counts) {
          expect(answered).toBeGreaterThan(20);
          expect(failed).toBe(0);
        }
        expect((await rows()).map(({ name }) => name)).toEqual(['node-1', 'node-2']);
        await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
        expect((await leave(near)).stdout).toContain('is in no cluster');
      });

      test('it comes back under its name, with a token and the images it had', async () => {
        near.start((await token()).command);
        await isReady('node-3', near);
        expect(await near.gantry(['image', 'ls'])).toContain('gantry/hello');
        await cluster.must(['scale', 'deployment', 'web', '--replicas=12']);
        await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
        expect(await podOn('node-3')).toBeDefined();
      });

      test('a machine that is dead is removed when that is forced, with its pods', async () => {
        await near.kill();
        const asked = () =>
          cluster.inside(join(ROOT, 'bin/gantry'), ['node', 'rm', 'node-3', '--data-dir', cluster.directory]);
        await eventually(
          'it is not ready',
          async () => (await row('node-3'))?.['status'] === 'Unknown' || undefined,
          {
            timeoutMs: 60_000,
          },
        );
        expect(await asked()).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('when it is dead, --force removes it'),
        });
        expect(await gantry(['node', 'rm', 'node-3', '--force'])).toMatch(
          /^removed node-3, with .* that it had\n$/,
        );
        expect(await podOn('node-3')).toBeUndefined();
        expect((await cluster.kubectl(['get', 'node', 'node-3'])).stderr).toContain('not found');
        await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
        expect(await asked()).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('no node has the name "node-3"'),
        });
      });

      test('nobody hears of a machine that leaves while its cluster is away', async () => {
        await cluster.stop();
        const refused = await leave(far);
        expect(refused).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('the cluster cannot be reached'),
        });
        const { code, stdout } = await leave(far, '--force --purge');
        expect({ code, stdout }).toMatchObject({
          code: 0,
          stdout: expect.stringContaining('the cluster was not told: "gantry node rm --force node-2" there'),
        });
      });
    });
  });
});
