import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { Lab, type LabHost } from '../harness/lab.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, mustRun, run } from '../harness/run.ts';

/** Nodes that can reach the server, and that nobody can reach: behind a router that hides them, and behind a proxy besides. */
describe.skipIf(whyNoHost())('nodes out of reach', () => {
  const lab = new Lab({ hosts: 4, subnets: 2, nat: true });
  const [one, hidden, middle, walled] = lab.hosts as [LabHost, LabHost, LabHost, LabHost];
  const cluster = new TestCluster(one);
  const behindNat = new TestMachine(hidden, 'node-2');
  const behindProxy = new TestMachine(walled, 'node-4');
  const PROXY = new URL('../harness/proxy-process.ts', import.meta.url).pathname;
  let proxy: ChildProcess | undefined;

  const token = async (): Promise<{ command: string; install: string }> =>
    JSON.parse(await cluster.gantry(['token', 'create', '-o', 'json']));
  const orLog = async (what: string, { log }: { log: string }, look: () => Promise<true | undefined>) =>
    await eventually(what, look, { timeoutMs: 60_000 }).catch((error) => {
      throw new Error(`${error.message}\n${log.split('\n').slice(-30).join('\n')}`);
    });
  const isReady = async (machine: TestMachine) =>
    await orLog(`${machine.nodeName} is Ready`, machine, async () => {
      const args = ['wait', '--for=condition=Ready', `node/${machine.nodeName}`, '--timeout=1s'];
      return (await cluster.kubectl(args)).code === 0 || undefined;
    });
  const podOn = async (machine: TestMachine) => {
    await machine.gantry(['image', 'import', 'dist/images/gantry-hello-1.tar']);
    const name = `on-${machine.nodeName}`;
    const overrides = JSON.stringify({ spec: { nodeName: machine.nodeName } });
    await cluster.must(['run', name, '--image=gantry/hello:1', '--overrides', overrides]);
    await cluster.must(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s']);
    return name;
  };

  /** Everything that goes from the server to a node. */
  const isReachable = async (pod: string) => {
    expect((await cluster.must(['exec', pod, '--', 'hostname'])).trim()).toBe(pod);
    await cluster.must(['logs', pod]);
    const path = `/api/v1/namespaces/default/pods/${pod}:8080/proxy/healthz`;
    expect(await cluster.must(['get', '--raw', path])).toBe('ok\n');
    const script = `kubectl port-forward pod/${pod} 18080:8080 >/dev/null & trap "kill $!" EXIT
      for i in $(seq 50); do curl -sS -m 5 http://127.0.0.1:18080/healthz 2>/dev/null && exit; sleep 0.1; done; exit 1`;
    const { stdout } = await cluster.inside('sh', ['-c', script.replace('kubectl', cluster.kubectlBinary)]);
    expect(stdout).toBe('ok\n');
  };

  beforeAll(async () => {
    await lab.create();
    await cluster.up();
    await cluster.loadImages(['gantry/hello:1']);
  });
  afterAll(async () => {
    const left: string[] = [];
    for (const machine of [behindNat, behindProxy]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    proxy?.stdin?.end();
    await lab.remove();
    expect(left).toEqual([]);
  });

  test('one behind NAT does all that the server asks of it', async () => {
    behindNat.start((await token()).command);
    await isReady(behindNat);
    // 28: no answer at all, where a host that can be reached refuses.
    expect((await run(...one.inside('curl', ['-sS', '-m', '1', `http://${hidden.address}:1/`]))).code).toBe(
      28,
    );
    await isReachable(await podOn(behindNat));
  });

  test('its address changes: it is the same node, with the same pods', async () => {
    const before = await cluster.json<Pod>(['get', 'pod', 'on-node-2']);
    const next = hidden.address.replace(/\d+$/, '99');
    const gateway = hidden.address.replace(/\d+$/, '1');
    const script = `ip address flush dev uplink && ip address add ${next}/24 dev uplink && ip route add default via ${gateway}`;
    await mustRun(...hidden.inside('sh', ['-c', script]));
    await orLog('the node tells its new address', behindNat, async () => {
      const { status } = await cluster.json<Node>(['get', 'node', 'node-2']);
      return status?.addresses?.some(({ address }) => address === next) || undefined;
    });
    await isReady(behindNat);
    await isReachable('on-node-2');
    const after = await cluster.json<Pod>(['get', 'pod', 'on-node-2']);
    const started = ({ metadata, status }: Pod) => [
      metadata.uid,
      status?.containerStatuses?.[0]?.containerID,
    ];
    expect(started(after)).toEqual(started(before));
  });

  test('one that gets out by a proxy alone joins by its line, and says what the proxy says', async () => {
    await lab.fault(walled, one, { kind: 'cut' });
    proxy = spawn(...middle.inside(process.execPath, [PROXY, middle.address, 'user:password']), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const port = String(((await once(proxy.stdout!, 'data')) as [Buffer])[0]).trim();
    const { command, install } = await token();
    const url = (credentials: string) => `http://${credentials}@${middle.address}:${port}`;
    const refused = await behindProxy.run(`${command} --proxy ${url('user:wrong')}`);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('407 Proxy Authentication Required'),
    });
    expect(refused.stderr).not.toContain('wrong@');
    behindProxy.start(`export https_proxy=${url('user:password')}; ${install}`);
    await isReady(behindProxy);
    await isReachable(await podOn(behindProxy));
  });
});
