import { TestCluster } from '#test/harness/cluster.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { agentPid, cpuSeconds, kilobytes, until } from './processes.ts';
import { percentile, type Section } from './table.ts';

const HOSTS = 10;
const REPLICAS = 60;
const IDLE_MS = 20_000;

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
  const agents = machines.map(({ directory }) => agentPid(directory));
  const before = { server: cpuSeconds([server]), agents: cpuSeconds(agents) };
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const share = (seconds: number) => (seconds / (IDLE_MS / 1000)) * 100;
  report({
    what: `idle CPU of the server, ${HOSTS} nodes`,
    value: share(cpuSeconds([server]) - before.server),
    unit: '%',
  });
  report({
    what: 'idle CPU of an agent',
    value: share(cpuSeconds(agents) - before.agents) / agents.length,
    unit: '%',
  });
  report({ what: 'memory of the server, RSS', value: kilobytes(server, 'Rss') / 1024, unit: 'MB' });
  const value = percentile(
    agents.map((pid) => kilobytes(pid, 'Rss') / 1024),
    0.5,
  );
  report({ what: 'memory of an agent, RSS, p50', value, unit: 'MB', mark: { at: 'most', value: 70 } });
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
}
