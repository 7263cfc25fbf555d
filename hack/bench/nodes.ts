import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment, Node, Pod } from '#api/objects.ts';
import { TestCluster } from '#test/harness/cluster.ts';
import { TestEtcd } from '#test/harness/etcd.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { eventually, mustRun, run } from '#test/harness/run.ts';
import { percentile, type Section } from './table.ts';

const IDLE_MS = 20_000;
/** What the rows about failures are told to wait for. */
const GRACE_MS = 5_000;
const LEASE_MS = 3_000;

/** Several machines: how long one takes to join, what an idle one costs, and how long the others take to act when one dies. */
export const nodes: Section = async (report) => {
  const lab = new Lab({ hosts: 5 });
  const [one, two, three, four, five] = lab.hosts as [LabHost, LabHost, LabHost, LabHost, LabHost];
  const etcd = new TestEtcd(five, five.address);
  const cluster = new TestCluster(one);
  const server = new TestMachine(two, 'node-2');
  const machines = [new TestMachine(three, 'node-3'), new TestMachine(four, 'node-4')];
  const line = async (role: string) =>
    JSON.parse(await cluster.gantry(['token', 'create', '--role', role, '-o', 'json'])).command as string;
  /** By the second server. */
  const there = async (args: readonly string[], input?: string) => {
    const env = { KUBECONFIG: join(server.directory, 'admin.kubeconfig'), HOME: server.home };
    return await run(...two.inside(cluster.kubectlBinary, args), {
      env,
      ...(input !== undefined && { input }),
    });
  };
  const isReady = async (name: string) => {
    const { stdout } = await there(['get', 'node', name, '-o', 'json']);
    if (!stdout) return false;
    const { status } = JSON.parse(stdout) as Node;
    return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  };
  const until = async (what: string, look: () => Promise<boolean>) => {
    const since = performance.now();
    await eventually(what, async () => (await look()) || undefined, { timeoutMs: 90_000, everyMs: 20 });
    return (performance.now() - since) / 1000;
  };
  try {
    await lab.create();
    await etcd.start();
    const flags = [
      ...['--store', etcd.store, '--leader-lease', `${LEASE_MS / 1000}s`],
      ...['--node-grace-period', `${GRACE_MS / 1000}s`],
    ];
    await cluster.up(flags);
    server.start(await line('server'));
    await until(
      'the second server is ready',
      async () => (await there(['get', '--raw', '/readyz'])).code === 0,
    );
    await until('its node is Ready', () => isReady('node-2'));

    const joins: number[] = [];
    for (const machine of machines) {
      const join = await line('node');
      machine.start(join);
      joins.push(await until(`${machine.nodeName} is Ready`, () => isReady(machine.nodeName)));
    }
    report({
      what: 'join to Ready, the program being there',
      value: percentile(joins, 0.5),
      unit: 's',
      mark: { at: 'most', value: 3 },
    });

    const traffic = async () => {
      const text = await mustRun(...four.inside('cat', ['/proc/net/dev']));
      const fields = text
        .split('\n')
        .find((row) => row.includes('uplink:'))!
        .split(/[:\s]+/)
        .filter(Boolean);
      return Number(fields[1]) + Number(fields[9]);
    };
    const before = await traffic();
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const bytes = ((await traffic()) - before) / (IDLE_MS / 1000);
    report({
      what: `traffic of an idle node, heartbeats each ${GRACE_MS / 4000} s`,
      value: bytes / 1000,
      unit: 'kB',
    });
    report({
      what: 'memory of its agent, RSS',
      value: agentRss(machines[1]!.directory) / 1024,
      unit: 'MB',
      mark: { at: 'most', value: 70 },
    });

    await cluster.loadImages(['gantry/hello:1']);
    for (const machine of [server, ...machines])
      await machine.gantry(['image', 'import', 'dist/images/gantry-hello-1.tar']);
    for (const name of ['node-1', 'node-2']) await cluster.must(['cordon', name]);
    await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(web(4)) });
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const running = async (node: string) => {
      const { items } = JSON.parse((await there(['get', 'pods', '-l', 'app=web', '-o', 'json'])).stdout) as {
        items: Pod[];
      };
      return items.filter(
        ({ spec, status, metadata }) =>
          spec!.nodeName === node && status?.phase === 'Running' && !metadata.deletionTimestamp,
      ).length;
    };
    await lab.cut(three);
    report({
      what: `a node is cut off to its pods run elsewhere (grace ${GRACE_MS / 1000} s)`,
      value: await until('all run on the other', async () => (await running('node-4')) === 4),
      unit: 's',
      mark: { at: 'most', value: GRACE_MS / 1000 + 5 },
    });
    await lab.cut(three, false);
    await until('it is back', () => isReady('node-3'));

    const takeovers: number[] = [];
    for (const replicas of [5, 6, 7]) {
      for (const role of ['up', 'server', 'agent'] as const)
        for (const pid of cluster.pids(role)) process.kill(pid, 'SIGKILL');
      const scaled = async () => {
        const { stdout } = await there(['get', 'deployment', 'web', '-o', 'json']);
        return (JSON.parse(stdout) as Deployment).status?.readyReplicas === replicas;
      };
      const since = performance.now();
      await there(['scale', 'deployment', 'web', `--replicas=${replicas}`]);
      await until('one more runs', scaled);
      takeovers.push((performance.now() - since) / 1000);
      await cluster.up(flags);
    }
    report({
      what: `a server dies to the next pod runs (lease ${LEASE_MS / 1000} s), p50 of 3`,
      value: percentile(takeovers, 0.5),
      unit: 's',
      mark: { at: 'most', value: 15 },
    });
    report({
      what: 'the same, the longest',
      value: Math.max(...takeovers),
      unit: 's',
      mark: { at: 'most', value: 15 },
    });
  } finally {
    await lab.cut(three, false).catch(() => undefined);
    for (const machine of [...machines, server]) await machine.destroy();
    await cluster.destroy();
    await etcd.remove();
    await lab.remove();
  }
};

/** Of which nobody waits for a node that is lost. */
function web(replicas: number): object {
  const tolerations = ['not-ready', 'unreachable'].map((name) => ({
    ...{ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 },
  }));
  const containers = [{ name: 'web', image: 'gantry/hello:1', ports: [{ containerPort: 8080 }] }];
  const template = { metadata: { labels: { app: 'web' } }, spec: { tolerations, containers } };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template },
  };
}

/** In kB, of the agent on that data directory. */
function agentRss(directory: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (!args.includes('agent') || !args.includes(directory)) continue;
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    } catch {
      // It ended between the listing and the look.
    }
  }
  throw new Error(`no agent runs on ${directory}`);
}
