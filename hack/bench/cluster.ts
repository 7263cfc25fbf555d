import { TestCluster } from '#test/harness/cluster.ts';
import { eventually, mustRun } from '#test/harness/run.ts';
import { cpuSeconds, kilobytes } from './processes.ts';
import type { Measure, Section } from './table.ts';

const IDLE_MS = 10_000;

/** A whole node: start, memory, idle CPU, and pods from create to running. */
export const cluster: Section = async (report) => {
  const measured = new TestCluster();
  try {
    await measured.host.create();
    report({
      what: 'start to /readyz',
      value: await startTime(measured),
      unit: 's',
      mark: { at: 'most', value: 1 },
    });
    await eventually('the node is Ready', async () =>
      (await measured.kubectl(['wait', '--for=condition=Ready', 'node/node-1', '--timeout=1s'])).code === 0
        ? true
        : undefined,
    );
    await measured.loadImages(['gantry/busybox:1']);
    const { server, agent } = { server: measured.pids('server')[0]!, agent: measured.pids('agent')[0]! };
    const before = cpuSeconds([server, agent]);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idle = ((cpuSeconds([server, agent]) - before) / (IDLE_MS / 1000)) * 100;
    report({ what: 'idle CPU of server and agent', value: idle, unit: '%', mark: { at: 'most', value: 1 } });
    const script = new URL('./pod-load.ts', import.meta.url).pathname;
    const [command, args] = measured.host.inside(process.execPath, [script, measured.kubeconfig]);
    const busy = cpuSeconds([agent]);
    for (const measure of JSON.parse(await mustRun(command, args, { timeoutMs: 300_000 })) as Measure[])
      report(measure);
    const used = cpuSeconds([agent]) - busy;
    report({ what: 'agent CPU for all these pods', value: used, unit: 's' });
    const monitors = measured.pids('monitor');
    const rss = [server, agent].map((pid) => kilobytes(pid, 'Rss') / 1024);
    report({
      what: `memory of server (${rss[0]!.toFixed(0)}) and agent (${rss[1]!.toFixed(0)}), RSS`,
      value: rss[0]! + rss[1]!,
      unit: 'MB',
      mark: { at: 'most', value: 200 },
    });
    // Both run one binary, of which some 50 MB are resident and counted in each RSS.
    const pss = [server, agent].map((pid) => kilobytes(pid, 'Pss') / 1024);
    report({
      what: `the same without counting shared pages twice (${pss[0]!.toFixed(0)} + ${pss[1]!.toFixed(0)}), PSS`,
      value: pss[0]! + pss[1]!,
      unit: 'MB',
    });
    if (monitors.length > 0) {
      const pss = monitors.reduce((sum, pid) => sum + kilobytes(pid, 'Pss'), 0) / monitors.length;
      report({ what: 'memory of a monitor, PSS', value: pss, unit: 'kB', mark: { at: 'most', value: 300 } });
    }
  } finally {
    await measured.destroy();
  }
};

async function startTime(measured: TestCluster): Promise<number> {
  const started = performance.now();
  measured.spawn([]);
  await eventually('ready', async () => (/The API is served/.test(measured.log) ? true : undefined), {
    everyMs: 5,
  });
  return (performance.now() - started) / 1000;
}
