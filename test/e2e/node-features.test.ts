import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';

/** What the agent does for pods beside running them: hostPorts, names by address, logs that do not grow for ever. */
describe.skipIf(whyNoHost())('the node', () => {
  const cluster = new TestCluster();
  const podWith = (name: string, container: object) =>
    cluster.must(['apply', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', ...container }] },
      }),
    });

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/hello:1', 'gantry/curl:1', 'gantry/busybox:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  test("a hostPort is the node's while its pod runs, and the pod has a name by its address", async () => {
    await podWith('open', { image: 'gantry/hello:1', ports: [{ containerPort: 8080, hostPort: 8088 }] });
    await cluster.must(['run', 'client', '--image=gantry/curl:1', '--command', '--', 'sleep', '1000']);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/open', 'pod/client', '--timeout=60s']);
    const address = (
      await cluster.must(['get', 'node', '-o', 'jsonpath={.items[0].status.addresses[0].address}'])
    ).trim();
    const ask = () => cluster.inside('curl', ['-sS', '-m', '2', `http://${address}:8088/healthz`]);
    await eventually('the port is open', async () =>
      (await ask()).stdout.trim() === 'ok' ? true : undefined,
    );

    const pod = await cluster.json<Pod>(['get', 'pod', 'open']);
    const name = `${pod.status!.podIP!.replaceAll('.', '-')}.default.pod.cluster.local`;
    const { stdout } = await cluster.kubectl([
      'exec',
      'client',
      '--',
      'curl',
      '-sS',
      '-m',
      '5',
      `http://${name}:8080/healthz`,
    ]);
    expect(stdout.trim()).toBe('ok');

    await cluster.must(['delete', 'pod', 'open']);
    await eventually('the port is closed', async () => ((await ask()).code === 7 ? true : undefined));
  });

  test('a pod with hostUsers: false is root in itself, nobody on the node, and has its volumes', async (context) => {
    const [node] = (await cluster.json<{ items: Node[] }>(['get', 'nodes'])).items;
    const [handler] = node!.status!.runtimeHandlers!;
    context.skip(!handler!.features!.userNamespaces, 'the kernel has no idmapped mounts');
    await cluster.must(['create', 'secret', 'generic', 'hidden', '--from-literal=key=from-a-secret']);
    const script = 'cat /secret/key > /scratch/copy; id -u; stat -c %u /scratch/copy; exec sleep 1000';
    const mounts = [
      { name: 'scratch', mountPath: '/scratch' },
      { name: 'secret', mountPath: '/secret', readOnly: true },
    ];
    const main = {
      name: 'main',
      image: 'gantry/busybox:1',
      command: ['sh', '-c', script],
      volumeMounts: mounts,
    };
    const volumes = [
      { name: 'scratch', emptyDir: {} },
      { name: 'secret', secret: { secretName: 'hidden' } },
    ];
    const spec = { hostUsers: false, terminationGracePeriodSeconds: 1, volumes, containers: [main] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'mapped' }, spec };
    await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(pod) });
    await cluster.must(['wait', '--for=condition=Ready', 'pod/mapped', '--timeout=60s']);
    expect(await cluster.must(['logs', 'mapped'])).toBe('0\n0\n');
    const exec = ['exec', 'mapped', '--', 'sh', '-c', 'cat /scratch/copy; echo; cat /proc/self/uid_map'];
    const [copy, map] = (await cluster.must(exec)).trim().split('\n');
    expect(copy).toBe('from-a-secret');
    const [inside, outside, size] = map!.trim().split(/\s+/).map(Number);
    expect([inside, size]).toEqual([0, 65_536]);
    expect(outside).toBeGreaterThanOrEqual(0x70000000);
    const { metadata } = await cluster.json<Pod>(['get', 'pod', 'mapped']);
    const file = join(cluster.directory, 'agent/pods', metadata.uid!, 'volumes/empty-dir/scratch/copy');
    expect((await stat(file)).uid).toBe(0);
    await cluster.must(['delete', 'pod', 'mapped']);
  });

  test('a log is rotated, and kubectl logs goes across without losing or repeating a line', async () => {
    const lines = (from: number, to: number) => `seq ${from} ${to}`;
    // Two looks of the agent, 10 s apart, find more than 10 MiB each.
    const script = `${lines(1, 250_000)}; sleep 12; ${lines(250_001, 500_000)}; sleep 12; ${lines(500_001, 500_100)}`;
    await cluster.must([
      ...['run', 'talker', '--image=gantry/busybox:1', '--restart=Never'],
      ...['--command', '--', 'sh', '-c', script],
    ]);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/talker', '--timeout=60s']);
    const followed = await cluster.must(['logs', '-f', 'talker']);
    const all = `${Array.from({ length: 500_100 }, (_, i) => i + 1).join('\n')}\n`;
    expect(followed === all).toBe(true);
    expect((await cluster.must(['logs', 'talker'])) === all).toBe(true);
    expect(await cluster.must(['logs', 'talker', '--tail=250100'])).toBe(all.slice(all.indexOf('250001\n')));

    const directories = await readdir(join(cluster.directory, 'agent/logs/pods'));
    const own = directories.find((name) => name.startsWith('default_talker_'))!;
    const names = await readdir(join(cluster.directory, 'agent/logs/pods', own, 'talker'));
    expect(names.length).toBeGreaterThan(1);
    for (const name of names) expect(name).toMatch(/^0\.log(\.\d{8}-\d{6})?$/);
  });

  test('cluster-info names the DNS server, and it is where it says', async () => {
    const info = await cluster.must(['cluster-info']);
    expect(info).toContain('GantryDNS is running at');
    expect(info).toContain('/api/v1/namespaces/kube-system/services/kube-dns:dns/proxy');
    const { stdout } = await cluster.kubectl([
      'exec',
      'client',
      '--',
      'nslookup',
      'kube-dns.kube-system.svc.cluster.local',
    ]);
    expect(stdout).toContain('Address: 10.96.0.10');
  });
});
