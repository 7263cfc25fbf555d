import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';

/** What packets between pods, Services, the node and the outside do. */
describe.skipIf(whyNoHost())('network', () => {
  const cluster = new TestCluster();
  const sh = async (pod: string, script: string) => {
    const ran = await cluster.kubectl(['exec', pod, '--', 'sh', '-c', script]);
    return `${ran.stdout}${ran.stderr}`.trim();
  };
  const ipOf = async (pod: string) => (await cluster.json<Pod>(['get', 'pod', pod])).status!.podIP!;
  const serviceIp = async (name: string) =>
    (await cluster.must(['get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}'])).trim();

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
    const { items } = await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web']);
    const name = items[0]!.metadata.name;
    const url = `http://${await serviceIp('web')}/healthz`;
    // Each try goes to the pod itself or to the other one: all eight to the other one would be rare luck.
    for (let i = 0; i < 8; i++) expect(await sh(name, `wget -q -T 3 -O - ${url}`)).toBe('ok');
  });

  test('names of pods and Services resolve, others do not', async () => {
    // The first two lines are about the DNS server.
    const addressOf = (name: string) =>
      sh('client', `nslookup ${name} | tail -n +3 | awk '/^Address/ { print $NF }' | sort -u`);
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
});
