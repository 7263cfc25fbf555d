import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { TestCluster } from '#test/harness/cluster.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { agentPid, cpuSeconds, kilobytes, until } from './processes.ts';
import { type Measure, percentile, type Section } from './table.ts';

const HOSTS = 10;
const REPLICAS = 60;
/** After a join code is compiled and garbage collected: for a minute that is most of what happens. */
const SETTLE_MS = 60_000;
const IDLE_MS = 60_000;
/** What a process of Node takes that does nothing but wait for one timer a second. */
const FLOOR = ['--eval', 'setInterval(() => {}, 1_000)'];

type Report = Parameters<Section>[0];

/** Ten machines with a server on the first: what the control plane costs, and how fast pods come up all over it. */
export const fleet: Section = async (report) => {
  const lab = new Lab({ hosts: HOSTS });
  const [first, ...rest] = lab.hosts as [LabHost, ...LabHost[]];
  const cluster = new TestCluster(first);
  const machines = rest.map((host, at) => new TestMachine(host, `node-${at + 2}`));
  try {
    await lab.create();
    await cluster.up();
    await measureJoins(cluster, machines, report);
    await measureIdling(cluster, machines, report);
    await measureRollout(cluster, machines, report);
  } finally {
    for (const machine of machines) await machine.destroy();
    await cluster.destroy();
    await lab.remove();
  }
};

async function measureJoins(cluster: TestCluster, machines: TestMachine[], report: Report): Promise<void> {
  const line = JSON.parse(await cluster.gantry(['token', 'create', '-o', 'json'])).command;
  for (const machine of machines) machine.start(line);
  const jsonpath = '-ojsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
  const value = await until('all are Ready', async () => {
    const states = await cluster.must(['get', 'nodes', jsonpath]);
    return states.split(' ').filter((state) => state === 'True').length === HOSTS;
  });
  report({ what: `${machines.length} machines join at once, all Ready`, value, unit: 's' });
}

async function measureIdling(cluster: TestCluster, machines: TestMachine[], report: Report): Promise<void> {
  const server = cluster.pids('server')[0]!;
  const agents = agentsOf(machines);
  const idler = spawn(process.execPath, FLOOR, { stdio: 'ignore' });
  try {
    await pause(SETTLE_MS);
    const parts = [[server], agents, [idler.pid!]];
    const before = parts.map(cpuSeconds);
    await pause(IDLE_MS);
    const shares = parts.map(
      (pids, at) => ((cpuSeconds(pids) - before[at]!) / pids.length / (IDLE_MS / 1000)) * 100,
    );
    const floor = { what: 'empty Node', value: shares[2]! };
    const unit = '%';
    report({ what: `idle CPU of the server, ${HOSTS} nodes`, value: shares[0]!, unit, floor });
    report({ what: 'idle CPU of an agent', value: shares[1]!, unit, floor });
    const memory = { what: 'empty Node', value: megabytes(idler.pid!, 'Rss') };
    const value = megabytes(server, 'Rss');
    report({ what: 'memory of the server, RSS', value, unit: 'MB', floor: memory });
    reportAgents('memory of an agent, RSS, p50', agents, report, memory);
  } finally {
    idler.kill();
  }
}

function agentsOf(machines: TestMachine[]): number[] {
  return machines.map(({ directory }) => agentPid(directory));
}

function megabytes(pid: number, field: 'Rss' | 'Pss'): number {
  return kilobytes(pid, field) / 1024;
}

/** Most of the resident set is the program of Node, which all on a machine share: their own part is the proportional one. */
function reportAgents(
  what: string,
  agents: readonly number[],
  report: Report,
  floor?: Measure['floor'],
): void {
  const p50 = (field: 'Rss' | 'Pss') =>
    percentile(
      agents.map((pid) => megabytes(pid, field)),
      0.5,
    );
  report({ what, value: p50('Rss'), unit: 'MB', mark: { at: 'most', value: 70 }, ...(floor && { floor }) });
  report({ what: what.replace('RSS', `PSS among ${agents.length}`), value: p50('Pss'), unit: 'MB' });
}

async function measureRollout(cluster: TestCluster, machines: TestMachine[], report: Report): Promise<void> {
  await cluster.loadImages(['gantry/busybox:1']);
  for (const machine of machines)
    await machine.gantry(['image', 'import', 'dist/images/gantry-busybox-1.tar']);
  const server = cluster.pids('server')[0]!;
  const before = cpuSeconds([server]);
  await cluster.must([
    'create',
    'deployment',
    'many',
    '--image=gantry/busybox:1',
    `--replicas=${REPLICAS}`,
    '--',
    'sleep',
    '3600',
  ]);
  const seconds = await until('all run', async () => {
    const ready = await cluster.must(['get', 'deployment', 'many', '-ojsonpath={.status.readyReplicas}']);
    return Number(ready) === REPLICAS;
  });
  const what = `${REPLICAS} pods over ${HOSTS} nodes, created to all ready`;
  report({ what, value: REPLICAS / seconds, unit: '/s' });
  const each = ((cpuSeconds([server]) - before) / REPLICAS) * 1000;
  report({ what: 'server CPU for each of these pods', value: each, unit: 'ms' });
  await pause(SETTLE_MS);
  const running = agentsOf(machines);
  reportAgents(`memory of an agent with ${REPLICAS / HOSTS} pods, RSS, p50`, running, report);
}
