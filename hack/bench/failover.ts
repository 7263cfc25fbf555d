import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '#test/harness/cluster.ts';
import { killHost } from '#test/harness/host-processes.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { pidsOf, type Role } from '#test/harness/roles.ts';
import { eventually, mustRun, run } from '#test/harness/run.ts';
import { web } from './nodes.ts';
import { percentile, type Section } from './table.ts';

type Report = Parameters<Section>[0];
type Server = TestCluster | TestMachine;

interface Outcome {
  at: number;
  ok: boolean;
}

/** What a cluster is told, and how often each fault is made: those that take long, less often. */
interface Variant {
  name: string;
  flags: string[];
  graceS: number;
  leaderDeaths: number;
  etcdDeaths: number;
  nodeDeaths: number;
}

const VARIANTS: Variant[] = [
  {
    name: 'lease 3 s, grace 5 s',
    flags: ['--leader-lease', '3s', '--node-grace-period', '5s'],
    ...{ graceS: 5, leaderDeaths: 30, etcdDeaths: 30, nodeDeaths: 12 },
  },
  { name: 'by default', flags: [], graceS: 40, leaderDeaths: 8, etcdDeaths: 0, nodeDeaths: 2 },
];

/** Three servers that run their etcd, three nodes with two replicas of a Service, and a host that writes and asks all the while. */
class Fleet {
  readonly lab = new Lab({ hosts: 7 });
  readonly hosts = this.lab.hosts as LabHost[];
  readonly first = new TestCluster(this.hosts[0]!);
  readonly servers: Server[] = [this.first, this.#machine(1), this.#machine(2)];
  readonly nodes = [this.#machine(3), this.#machine(4), this.#machine(5)];
  readonly #client = this.hosts[6]!;
  #stop = () => {};

  #machine(at: number): TestMachine {
    return new TestMachine(this.hosts[at]!, `node-${at + 1}`);
  }

  async start(flags: readonly string[]): Promise<void> {
    await this.lab.create();
    await this.first.up(['--etcd', 'managed', ...flags]);
    const lines = { server: await this.#line('server'), node: await this.#line('node') };
    for (const machine of this.servers.slice(1) as TestMachine[]) {
      machine.start(lines.server);
      await this.isReady(machine);
    }
    for (const machine of this.nodes) machine.start(lines.node);
    for (const machine of this.nodes) await this.isReady(machine);
    await this.first.must(['cordon', 'node-1', 'node-2', 'node-3']);
    await this.first.gantry(['image', 'load', 'dist/images/gantry-hello-1.tar']);
    await this.first.must(['apply', '-f', '-'], { input: JSON.stringify(apart()) });
    await this.first.must([
      'expose',
      'deployment',
      'web',
      '--port=80',
      '--target-port=8080',
      '--type=NodePort',
    ]);
    await this.first.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const port = await this.first.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}']);
    const program = new URL('./failover-load.ts', import.meta.url).pathname;
    const urls = this.hosts.slice(0, 3).map(({ address }) => `https://${address}:6443`);
    const [command, args] = this.#client.inside(process.execPath, [
      ...[program, join((this.servers[1] as TestMachine).directory, 'admin.kubeconfig')],
      ...[`http://${this.hosts[1]!.address}:${port}/healthz`, ...urls],
    ]);
    const load = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#stop = () => load.kill();
    await eventually('the load runs', async () =>
      (await this.since(0)).writes.length > 3 ? true : undefined,
    );
  }

  async #line(role: string): Promise<string> {
    return JSON.parse(await this.first.gantry(['token', 'create', '--role', role, '-o', 'json'])).command;
  }

  async isReady({ nodeName }: TestMachine): Promise<void> {
    await eventually(
      `${nodeName} is Ready`,
      async () =>
        (await this.ask(['wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=1s'])).code === 0 ||
        undefined,
      { timeoutMs: 60_000 },
    );
  }

  /** What became of writes and requests since a time. */
  async since(ms: number): Promise<{ writes: Outcome[]; requests: Outcome[] }> {
    const args = ['-sS', `http://127.0.0.1:9000/?since=${ms}`];
    return JSON.parse(await mustRun(...this.#client.inside('curl', args)));
  }

  /** kubectl, of whichever server answers. */
  async ask(args: readonly string[]) {
    let last = { code: 1, stdout: '', stderr: '' };
    for (const { host, directory } of this.servers) {
      const env = { KUBECONFIG: join(directory, 'admin.kubeconfig'), HOME: this.first.directory };
      last = await run(...host.inside(this.first.kubectlBinary, args), { env });
      if (last.code === 0) break;
    }
    return last;
  }

  /** Kills a role of a machine, which its supervisor starts again. */
  kill({ directory }: Server, role: Role): void {
    for (const pid of pidsOf(directory, role)) process.kill(pid, 'SIGKILL');
  }

  /** The server whose controllers are at work: that which said so last. */
  leader(): Server {
    const saidAt = ({ log }: Server) =>
      [...log.matchAll(/^(\S+) INFO {2}This server leads .*lease=kube-controller-manager/gm)].at(-1)?.[1] ??
      '';
    return this.servers.toSorted((a, b) => (saidAt(a) < saidAt(b) ? 1 : -1))[0]!;
  }

  async etcdLeader(): Promise<Server> {
    return await eventually('etcd has a leader', async () => {
      const args = ['etcd', 'status', '-o', 'json', '--data-dir', this.first.directory];
      const { stdout } = await this.first.inside('bin/gantry', args);
      const members = JSON.parse(stdout) as { endpoint: string; isLeader?: boolean; fault?: string }[];
      if (members.some(({ fault }) => fault !== undefined)) return undefined;
      const address = members.find(({ isLeader }) => isLeader)?.endpoint.split(':')[0];
      return this.servers.find(({ host }) => host.address === address);
    });
  }

  async pods(): Promise<Pod[]> {
    return (JSON.parse((await this.ask(['get', 'pods', '-o', 'json'])).stdout) as { items: Pod[] }).items;
  }

  async remove(): Promise<void> {
    this.#stop();
    for (const machine of [...this.nodes, ...(this.servers.slice(1) as TestMachine[]).reverse()])
      await machine.destroy();
    await this.first.destroy();
    await this.lab.remove();
  }
}

/** Each time in seconds. */
interface Times {
  /** From a fault to the next write that was acknowledged. */
  write: number[];
  /** Until the controllers did something again. */
  act: number[];
  /** Until the last request to the Service that failed; 0 = none did. */
  service: number[];
}

/** How long it takes until others do what a server, a member of etcd or a node did that dies. */
export const failover: Section = async (report) => {
  for (const variant of VARIANTS) {
    const fleet = new Fleet();
    try {
      await fleet.start(variant.flags);
      await measureLeaders(fleet, variant, report);
      if (variant.etcdDeaths > 0) await measureEtcd(fleet, variant, report);
      await measureNodes(fleet, variant, report);
    } finally {
      await fleet.remove();
    }
  }
};

async function measureLeaders(fleet: Fleet, { name, leaderDeaths }: Variant, report: Report): Promise<void> {
  const times: Times = { write: [], act: [], service: [] };
  for (let i = 0; i < leaderDeaths; i++) {
    const leader = fleet.leader();
    const since = Date.now();
    fleet.kill(leader, 'server');
    // Made before another one takes over: what controllers do about it shows that one has.
    await eventually('a namespace is made', async () =>
      (await fleet.ask(['create', 'namespace', `after-${i}`])).code === 0 ? true : undefined,
    );
    await eventually(
      'a controller acts',
      async () =>
        (await fleet.ask(['get', 'sa', 'default', '-n', `after-${i}`])).code === 0 ? true : undefined,
      { timeoutMs: 60_000 },
    );
    times.act.push((Date.now() - since) / 1000);
    await look(fleet, since, times);
    await isServing(leader);
  }
  const what = `${name}: server killed`;
  show(report, `${what} to a client's next write`, times.write, 5);
  show(report, `${what} to controllers at work`, times.act, 15);
  show(report, `${what}: requests to a Service fail for`, times.service, 0);
}

async function measureEtcd(fleet: Fleet, { name, etcdDeaths }: Variant, report: Report): Promise<void> {
  const times: Times = { write: [], act: [], service: [] };
  for (let i = 0; i < etcdDeaths; i++) {
    const leader = await fleet.etcdLeader();
    const since = Date.now();
    fleet.kill(leader, 'etcd');
    await eventually('it writes again', async () =>
      (await fleet.since(since)).writes.filter(({ ok }) => ok).length > 5 ? true : undefined,
    );
    await look(fleet, since, times);
  }
  show(report, `${name}: etcd's leader killed to the next write`, times.write, 5);
  show(report, `${name}: etcd's leader killed: requests to a Service fail for`, times.service, 0);
}

async function measureNodes(fleet: Fleet, variant: Variant, report: Report): Promise<void> {
  const { name, nodeDeaths, graceS } = variant;
  const times: Times = { write: [], act: [], service: [] };
  for (let i = 0; i < nodeDeaths; i++) {
    const before = await fleet.pods();
    const dying = fleet.nodes.find(({ nodeName }) => before.some(({ spec }) => spec?.nodeName === nodeName))!;
    const known = new Set(before.map(({ metadata }) => metadata.name));
    const since = Date.now();
    await killHost((dying.host as LabHost).name);
    await eventually(
      'another pod runs',
      async () => {
        const isNew = ({ metadata, status }: Pod) =>
          !known.has(metadata.name) && (status?.containerStatuses ?? []).some(({ ready }) => ready);
        return (await fleet.pods()).some(isNew) || undefined;
      },
      { timeoutMs: 120_000 },
    );
    times.act.push((Date.now() - since) / 1000);
    await look(fleet, since, times);
    dying.start(`gantry join https://${fleet.hosts[0]!.address}:6443`);
    await eventually('the dead are gone', async () =>
      (await fleet.pods()).every(({ metadata }) => !metadata.deletionTimestamp) ? true : undefined,
    );
    await fleet.isReady(dying);
  }
  show(report, `${name}: node killed to another pod ready`, times.act, graceS + 5);
  show(report, `${name}: node killed: requests to a Service fail for`, times.service, graceS + 5);
}

async function isServing({ host, directory }: Server): Promise<void> {
  const args = ['-sk', '-o', '/dev/null', '-w', '%{http_code}', 'https://127.0.0.1:6443/readyz'];
  await eventually(`${directory} serves again`, async () =>
    (await run(...host.inside('curl', args))).stdout === '200' ? true : undefined,
  );
}

async function look(fleet: Fleet, since: number, times: Times): Promise<void> {
  const { writes, requests } = await fleet.since(since);
  // The longest time without one: what was under way at the fault may have been answered still.
  const acknowledged = [since, ...writes.filter(({ ok }) => ok).map(({ at }) => at)];
  times.write.push(Math.max(...acknowledged.slice(1).map((at, i) => at - acknowledged[i]!)) / 1000);
  const failed = requests.filter(({ ok }) => !ok).map(({ at }) => at - since);
  times.service.push(Math.max(0, ...failed) / 1000);
}

function show(report: Report, what: string, samples: readonly number[], most: number): void {
  const mark = { at: 'most', value: most } as const;
  report({ what: `${what}, p50 of ${samples.length}`, value: percentile(samples, 0.5), unit: 's', mark });
  report({ what: '  p99', value: percentile(samples, 0.99), unit: 's', mark });
}

/** Two replicas, never on one node. */
function apart(): object {
  const term = { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' };
  return web(2, {
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } },
  });
}
