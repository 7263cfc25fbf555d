import { join } from 'node:path';
import { TestCluster } from '#test/harness/cluster.ts';
import { mustRun } from '#test/harness/run.ts';
import type { Measure, Section } from './table.ts';

/** The API alone (no agent), loaded by a process beside it: the two share the machine's cores. */
export const api: Section = async (report) => {
  const cluster = new TestCluster();
  try {
    await cluster.host.create();
    await cluster.upWithoutAgent();
    const [command, args] = cluster.host.inside(process.execPath, [
      new URL('./api-load.ts', import.meta.url).pathname,
      cluster.kubeconfig,
      join(cluster.directory, 'pki', 'server.key'),
      join(cluster.directory, 'pki', 'server.crt'),
    ]);
    const output = await mustRun(command, args, { timeoutMs: 300_000 });
    for (const measure of JSON.parse(output) as Measure[]) report(measure);
  } finally {
    await cluster.destroy();
  }
};
