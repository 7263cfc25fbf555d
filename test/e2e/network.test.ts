import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually, run } from '../harness/run.ts';

/** What packets between pods, Services, the node and the outside do. */
describe.skipIf(whyNoHost())('network', () => {
  const cluster = new TestCluster();
  const sh = async (pod: string, script: string) => {
    // kubectl itself writes to stderr at times ("Unknown stream id 1, discarding message").
    const ran = await cluster.kubectl(['exec', pod, '--', 'sh', '-c', `{ ${script}; } 2>&1`]);
    return ran.stdout.trim();
  };
  const ipOf = async (pod: string) => (await cluster.json<Pod>(['get', 'pod', pod])).status!.podIP!;
  const started: ChildProcess[] = [];
  /** Runs a JavaScript program until the end of the suite. */
  const serve = ([command, args]: [string, string[]]) => {
    started.push(spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }));
  };
  const serviceIp = async (name: string) =>
    (await cluster.must(['get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}'])).trim();

  /** Addresses of a name as a pod sees it; the first two lines of nslookup are about the server. */
  const addressOf = (name: string) =>
    sh('client', `nslookup ${name} | tail -n +3 | awk '/^Address/ { print $NF }' | sort -u`);

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/hello:1', 'gantry/curl:1']);
    await cluster.must([
      'create',
      'deployment',
      'web',
      '--image=gantry/hello:1',
      '--replicas=2',
      '--port=8080',
    ]);
    await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
    await cluster.must(['run', 'client', '--image=gantry/curl:1', '--command', '--', 'sleep', '1000']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s']);
    await eventually('the Service has endpoints', async () =>
      (await sh('client', 'curl -sS -m 2 http://web/healthz')) === 'ok' ? true : undefined,
    );
  });
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL');
    expect(await cluster.destroy()).toEqual([]);
  });

  test('each pod has an address of its own out of the pod range', async () => {
    const { items } = await cluster.json<{ items: Pod[] }>(['get', 'pods']);
    const addresses = items.map((pod) => pod.status!.podIP!);
    expect(new Set(addresses).size).toBe(items.length);
    for (const address of addresses) expect(address).toMatch(/^10\.244\./);
    expect(await sh('client', "ip -4 -o address show eth0 | awk '{ print $4 }' | cut -d / -f 1")).toBe(
      await ipOf('client'),
    );
  });

  test('pods reach each other without translation', async () => {
    const { items } = await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web']);
    const page = await sh('client', `curl -sS -m 5 http://${items[0]!.status!.podIP}:8080/cgi-bin/hello`);
    expect(page).toMatch(new RegExp(`client: .*[: ]${await ipOf('client')}\\b`));
  });

  test('a pod reaches itself through its own Service', async () => {
    // busybox's wget needs more than its own image has: the web server of the one with curl.
    await cluster.must([
      ...['run', 'self', '--image=gantry/curl:1', '--port=8080', '--expose', '--command', '--'],
      ...['httpd', '-f', '-p', '8080', '-h', '/etc'],
    ]);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/self', '--timeout=30s']);
    await eventually('it answers itself', async () =>
      (await sh('self', 'curl -sS -m 2 http://self:8080/nsswitch.conf')).startsWith('hosts:')
        ? true
        : undefined,
    );
  });

  test('names of pods and Services resolve, others do not', async () => {
    expect(await addressOf('web.default.svc.cluster.local')).toBe(await serviceIp('web'));
    expect(await addressOf('kubernetes.default.svc.cluster.local')).toBe('10.96.0.1');
    expect(await sh('client', 'nslookup nothing.default.svc.cluster.local || true')).toMatch(
      /NXDOMAIN|can't find/,
    );
  });

  test('the API is reached through the kubernetes Service; anonymous sees only the version', async () => {
    const api = 'https://kubernetes.default.svc';
    const ca = '/var/run/secrets/kubernetes.io/serviceaccount';
    expect(await sh('client', `curl -sS -m 5 --cacert ${ca}/ca.crt ${api}/version`)).toContain('gitVersion');
    expect(
      await sh(
        'client',
        `curl -sS -m 5 -o /dev/null -w '%{http_code}' --cacert ${ca}/ca.crt ${api}/api/v1/pods`,
      ),
    ).toBe('403');
    expect(
      await sh(
        'client',
        `curl -sS -m 5 -o /dev/null -w '%{http_code}' --cacert ${ca}/ca.crt -H "Authorization: Bearer $(cat ${ca}/token)" ${api}/api/v1/namespaces/default/secrets`.replace(
          '$(cat',
          '$(cat',
        ),
      ),
    ).toBe('403');
    expect(
      await sh(
        'client',
        `curl -sS -m 5 --cacert ${ca}/ca.crt -H "Authorization: Bearer $(cat ${ca}/token)" ${api}/apis/authentication.k8s.io/v1 -o /dev/null -w '%{http_code}'`,
      ),
    ).toBe('200');
  });

  test('Services are in the environment of pods that start after them', async () => {
    await cluster.must([
      'run',
      'late',
      '--image=gantry/curl:1',
      '--restart=Never',
      '--command',
      '--',
      'sh',
      '-c',
      'env',
    ]);
    const log = await eventually('its log', async () => {
      const ran = await cluster.kubectl(['logs', 'late']);
      return ran.stdout.includes('WEB_SERVICE_HOST') ? ran.stdout : undefined;
    });
    expect(log).toContain(`WEB_SERVICE_HOST=${await serviceIp('web')}`);
    expect(log).toContain('WEB_SERVICE_PORT=80');
    expect(log).toContain('KUBERNETES_SERVICE_HOST=10.96.0.1');
    expect(log).toContain(`WEB_PORT_80_TCP_ADDR=${await serviceIp('web')}`);
  });

  test('a Service without endpoints refuses at once', async () => {
    await cluster.must(['create', 'service', 'clusterip', 'empty', '--tcp=80:80']);
    const ip = await serviceIp('empty');
    await eventually('it refuses', async () => {
      const ran = await cluster.inside('curl', ['-sS', '-m', '3', `http://${ip}/`]);
      return ran.code === 7 ? true : undefined;
    });
    expect(await sh('client', `curl -sS -m 3 http://${ip}/; echo code $?`)).toContain('code 7');
  });

  test.each(['10.244.200.77', '10.96.200.77'])(
    'a packet for %s, which nobody has, never leaves the node',
    async (address) => {
      expect(await sh('client', `curl -sS -m 3 http://${address}/ 2>/dev/null; echo code $?`)).toBe('code 7');
      const counted = async () =>
        Number((await cluster.inside('cat', ['/sys/class/net/uplink/statistics/tx_packets'])).stdout);
      const before = await counted();
      await cluster.inside('curl', ['-sS', '-m', '2', `http://${address}/`]);
      expect(await counted()).toBe(before);
    },
  );

  test('when endpoints come and go, the Service follows', async () => {
    await cluster.must(['scale', 'deployment/web', '--replicas=0']);
    const ip = await serviceIp('web');
    await eventually('it refuses', async () =>
      (await cluster.inside('curl', ['-sS', '-m', '3', `http://${ip}/healthz`])).code === 7
        ? true
        : undefined,
    );
    await cluster.must(['scale', 'deployment/web', '--replicas=2']);
    await eventually('it answers', async () =>
      (await cluster.inside('curl', ['-sS', '-m', '3', `http://${ip}/healthz`])).code === 0
        ? true
        : undefined,
    );
  });

  test('a request to a Service of UDP reaches its endpoint, the answer comes back from the Service', async () => {
    // A name server on the node that knows one answer stands for any program of UDP.
    const program = `
      const packet = require('dns-packet');
      const server = require('node:dgram').createSocket('udp4');
      server.on('message', (message, from) => {
        const { id, questions } = packet.decode(message);
        const answers = questions.filter(({ type }) => type === 'A').map(({ name }) => ({ type: 'A', name, data: '192.0.2.55' }));
        server.send(packet.encode({ type: 'response', id, questions, answers }), from.port, from.address);
      });
      server.bind(5353, '${cluster.host.address}');`;
    serve(cluster.host.inside(process.execPath, ['-e', program]));
    await cluster.must(['create', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [
          {
            apiVersion: 'v1',
            kind: 'Service',
            metadata: { name: 'names' },
            spec: { ports: [{ name: 'dns', protocol: 'UDP', port: 53, targetPort: 5353 }] },
          },
          {
            apiVersion: 'discovery.k8s.io/v1',
            kind: 'EndpointSlice',
            metadata: { name: 'names-1', labels: { 'kubernetes.io/service-name': 'names' } },
            addressType: 'IPv4',
            endpoints: [{ addresses: [cluster.host.address] }],
            ports: [{ name: 'dns', protocol: 'UDP', port: 5353 }],
          },
        ],
      }),
    });
    const ip = await serviceIp('names');
    await eventually('an answer', async () =>
      (await sh('client', `nslookup -type=a any.example ${ip}`)).includes('192.0.2.55') ? true : undefined,
    );
  });

  test('ClientIP affinity: one client, one endpoint; without it, both', async () => {
    const names = async (count: number) => {
      const script = `for i in $(seq ${count}); do curl -sS -m 5 http://web/cgi-bin/hello | head -1; done | sort -u | wc -l`;
      return sh('client', script);
    };
    await eventually('both answer', async () => ((await names(20)) === '2' ? true : undefined));
    await cluster.must(['patch', 'service', 'web', '-p', '{"spec":{"sessionAffinity":"ClientIP"}}']);
    await eventually('one answers', async () => ((await names(20)) === '1' ? true : undefined));
    await cluster.must(['patch', 'service', 'web', '-p', '{"spec":{"sessionAffinity":"None"}}']);
    await eventually('both answer', async () => ((await names(20)) === '2' ? true : undefined));
  });

  test('a headless Service is the addresses of its pods, each under its own name', async () => {
    const pod = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'peers' } },
      spec: {
        hostname: name,
        subdomain: 'peers',
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: 'gantry/curl:1', command: ['sleep', '1000'] }],
      },
    });
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'peers' },
      spec: { clusterIP: 'None', selector: { app: 'peers' }, ports: [{ name: 'http', port: 80 }] },
    };
    const items = [service, pod('peer-0'), pod('peer-1')];
    await cluster.must(['create', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
    await cluster.must(['wait', '--for=condition=Ready', 'pod', '-l', 'app=peers', '--timeout=30s']);
    const wanted = [await ipOf('peer-0'), await ipOf('peer-1')];
    await eventually('both names', async () =>
      (await addressOf('peers.default.svc.cluster.local')) === [...wanted].sort().join('\n')
        ? true
        : undefined,
    );
    expect(await addressOf('peer-0.peers.default.svc.cluster.local')).toBe(wanted[0]);
    expect(await sh('client', `nslookup ${wanted[1]}`)).toContain('peer-1.peers.default.svc.cluster.local');
    expect(await sh('peer-0', 'hostname -f')).toBe('peer-0.peers.default.svc.cluster.local');
  });

  describe('with a machine beside the node', () => {
    const address = '198.51.100.20';
    let beside: (command: string, args: readonly string[]) => [string, string[]];
    beforeAll(async () => {
      beside = await cluster.host.neighbour(address);
      const program = `
        require('node:http').createServer((request, response) => response.end(request.socket.remoteAddress))
          .listen(8080, '${address}');`;
      serve(beside(process.execPath, ['-e', program]));
    });

    test("what pods send outwards has the node's address", async () => {
      await eventually('an answer', async () => {
        const seen = await sh('client', `curl -sS -m 2 http://${address}:8080/`);
        return seen === cluster.host.address || undefined;
      });
    });

    test('the node port of a Service answers it, with endpoints anywhere', async () => {
      await cluster.must([
        ...['expose', 'deployment', 'web', '--name=outside', '--type=NodePort'],
        ...['--port=80', '--target-port=8080'],
      ]);
      const port = await cluster.must([
        ...['get', 'service', 'outside', '-o', 'jsonpath={.spec.ports[0].nodePort}'],
      ]);
      await eventually('an answer', async () => {
        const ran = await run(
          ...beside('curl', ['-sS', '-m', '2', `http://${cluster.host.address}:${port}/healthz`]),
        );
        return ran.stdout === 'ok\n' || undefined;
      });
    });
  });

  test("a pod on the node's network has its address, its name and the cluster's DNS if it asks", async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'on-node' },
      spec: {
        hostNetwork: true,
        dnsPolicy: 'ClusterFirstWithHostNet',
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: 'gantry/curl:1', command: ['sleep', '1000'] }],
      },
    };
    await cluster.must(['create', '-f', '-'], { input: JSON.stringify(pod) });
    await cluster.must(['wait', '--for=condition=Ready', 'pod/on-node', '--timeout=30s']);
    expect(await ipOf('on-node')).toBe(cluster.host.address);
    expect(await sh('on-node', 'readlink /proc/self/ns/net')).toBe(
      (await cluster.inside('readlink', ['/proc/self/ns/net'])).stdout.trim(),
    );
    expect(await sh('on-node', 'curl -sS -m 3 http://web.default/healthz')).toBe('ok');
    await cluster.must(['delete', 'pod', 'on-node', '--timeout=30s']);
    expect((await cluster.inside('ip', ['link', 'show', 'uplink'])).code).toBe(0);
  });
});
