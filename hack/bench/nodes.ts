import { join } from 'node:path';
import type { Deployment, Node, Pod } from '#api/objects.ts';
import { TestCluster } from '#test/harness/cluster.ts';
import { TestEtcd } from '#test/harness/etcd.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { mustRun, type Ran, run } from '#test/harness/run.ts';
import { agentPid, kilobytes, until } from './processes.ts';
import { percentile, type Section } from './table.ts';

const IDLE_MS = 20_000;
/** What the rows about failures are told to wait for. */
const GRACE_MS = 5_000;
const LEASE_MS = 3_000;

/** Two servers, one of them with a node of its own, two more nodes, and an etcd. */
class Machines {
  readonly lab = new Lab({ hosts: 5 });
  readonly hosts = this.lab.hosts as [LabHost, LabHost, LabHost, LabHost, LabHost];
  readonly etcd = new TestEtcd(this.hosts[4], this.hosts[4].address);
  readonly cluster = new TestCluster(this.hosts[0]);
  readonly server = new TestMachine(this.hosts[1], 'node-2');
  readonly nodes = [
    new TestMachine(this.hosts[2], 'node-3'),
    new TestMachine(this.hosts[3], 'node-4'),
  ] as const;
  readonly #flags = [
    ...['--store', this.etcd.store, '--leader-lease', `${LEASE_MS / 1000}s`],
    ...['--node-grace-period', `${GRACE_MS / 1000}s`],
  ];

  async start(): Promise<void> {
    await this.lab.create();
    await this.etcd.start();
    await this.startFirst();
    this.server.start(await this.line('server'));
    await until(
      'the second server is ready',
      async () => (await this.ask(['get', '--raw', '/readyz'])).code === 0,
    );
    await until('its node is Ready', () => this.isReady('node-2'));
  }

  startFirst(): Promise<void> {
    return this.cluster.up(this.#flags);
  }

  killFirst(): void {
    for (const role of ['up', 'server', 'agent'] as const)
      for (const pid of this.cluster.pids(role)) process.kill(pid, 'SIGKILL');
  }

  async line(role: string): Promise<string> {
    return JSON.parse(await this.cluster.gantry(['token', 'create', '--role', role, '-o', 'json'])).command;
  }

  /** kubectl, of the second server. */
  async ask(args: readonly string[]): Promise<Ran> {
    const env = { KUBECONFIG: join(this.server.directory, 'admin.kubeconfig'), HOME: this.server.home };
    return await run(...this.hosts[1].inside(this.cluster.kubectlBinary, args), { env });
  }

  async get<T>(...what: string[]): Promise<T | undefined> {
    const { stdout } = await this.ask(['get', ...what, '-o', 'json']);
    return stdout === '' ? undefined : (JSON.parse(stdout) as T);
  }

  async isReady(name: string): Promise<boolean> {
    const node = await this.get<Node>('node', name);
    return node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  }

  async remove(): Promise<void> {
    for (const host of this.hosts) await this.lab.cut(host, false).catch(() => undefined);
    for (const machine of [...this.nodes, this.server]) await machine.destroy();
    await this.cluster.destroy();
    await this.etcd.remove();
    await this.lab.remove();
  }
}

type Report = Parameters<Section>[0];

/** Several machines: how long one takes to join, what an idle one costs, and how long the others take to act when one dies. */
export const nodes: Section = async (report) => {
  const machines = new Machines();
  try {
    await machines.start();
    await measureJoins(machines, report);
    await measureIdling(machines, report);
    await measureNodeLoss(machines, report);
    await measureTakeover(machines, report);
  } finally {
    await machines.remove();
  }
};

async function measureJoins(machines: Machines, report: Report): Promise<void> {
  const joins: number[] = [];
  for (const node of machines.nodes) {
    const line = await machines.line('node');
    node.start(line);
    joins.push(await until(`${node.nodeName} is Ready`, () => machines.isReady(node.nodeName)));
  }
  const value = percentile(joins, 0.5);
  report({
    what: 'join to Ready, the program being there',
    value,
    unit: 's',
    mark: { at: 'most', value: 3 },
  });
}

async function measureIdling({ hosts, nodes: [, last] }: Machines, report: Report): Promise<void> {
  const traffic = async () => {
    const text = await mustRun(...hosts[3].inside('cat', ['/proc/net/dev']));
    const row = text.split('\n').find((each) => each.includes('uplink:'))!;
    const fields = row.split(/[:\s]+/).filter(Boolean);
    return Number(fields[1]) + Number(fields[9]);
  };
  const before = await traffic();
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const bytes = ((await traffic()) - before) / (IDLE_MS / 1000);
  const what = `traffic of an idle node a second, heartbeats each ${GRACE_MS / 4000} s`;
  report({ what, value: bytes / 1000, unit: 'kB' });
  const megabytes = kilobytes(agentPid(last.directory), 'Rss') / 1024;
  report({ what: 'memory of its agent, RSS', value: megabytes, unit: 'MB', mark: { at: 'most', value: 70 } });
}

async function measureNodeLoss(machines: Machines, report: Report): Promise<void> {
  const { cluster, lab, hosts } = machines;
  await cluster.loadImages(['gantry/hello:1']);
  for (const machine of [machines.server, ...machines.nodes])
    await machine.gantry(['image', 'import', 'dist/images/gantry-hello-1.tar']);
  for (const name of ['node-1', 'node-2']) await cluster.must(['cordon', name]);
  await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(web(4)) });
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  const onTheOther = async () => {
    const { items } = (await machines.get<{ items: Pod[] }>('pods', '-l', 'app=web'))!;
    const running = items.filter(
      ({ spec, status, metadata }) =>
        spec!.nodeName === 'node-4' && status?.phase === 'Running' && !metadata.deletionTimestamp,
    );
    return running.length === 4;
  };
  await lab.cut(hosts[2]);
  report({
    what: `a node is cut off to its pods run elsewhere (grace ${GRACE_MS / 1000} s)`,
    value: await until('all run on the other', onTheOther),
    unit: 's',
    mark: { at: 'most', value: GRACE_MS / 1000 + 5 },
  });
  await lab.cut(hosts[2], false);
  await until('it is back', () => machines.isReady('node-3'));
}

async function measureTakeover(machines: Machines, report: Report): Promise<void> {
  const times: number[] = [];
  for (const replicas of [5, 6, 7]) {
    machines.killFirst();
    const since = performance.now();
    await machines.ask(['scale', 'deployment', 'web', `--replicas=${replicas}`]);
    await until('one more runs', async () => {
      const deployment = await machines.get<Deployment>('deployment', 'web');
      return deployment?.status?.readyReplicas === replicas;
    });
    times.push((performance.now() - since) / 1000);
    await machines.startFirst();
  }
  const mark = { at: 'most' as const, value: 15 };
  const what = `a server dies to the next pod runs (lease ${LEASE_MS / 1000} s)`;
  report({ what: `${what}, p50 of 3`, value: percentile(times, 0.5), unit: 's', mark });
  report({ what: 'the same, the longest', value: Math.max(...times), unit: 's', mark });
}

/** Of which nobody waits for a node that is lost. `more`: of the pods' spec. */
export function web(replicas: number, more: object = {}): object {
  const tolerations = ['not-ready', 'unreachable'].map((name) => ({
    ...{ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 },
  }));
  const containers = [{ name: 'web', image: 'gantry/hello:1', ports: [{ containerPort: 8080 }] }];
  const template = { metadata: { labels: { app: 'web' } }, spec: { tolerations, containers, ...more } };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template },
  };
}
