import { join } from 'node:path';
import { TestCluster } from '#test/harness/cluster.ts';
import { eventually, mustRun } from '#test/harness/run.ts';
import { seedStore } from './seed.ts';
import type { Measure, Section } from './table.ts';

const OBJECTS = 100_000;

/** The API over 100,000 objects and under many watchers, loaded by a process beside it that shares the machine. */
export const large: Section = async (report) => {
  const cluster = new TestCluster();
  try {
    await cluster.host.create();
    await seedStore(join(cluster.directory, 'store'), 'default', OBJECTS);
    const started = performance.now();
    cluster.spawn(['--no-agent']);
    await eventually('ready', async () => (/The API is served/.test(cluster.log) ? true : undefined), {
      everyMs: 5,
    });
    report({
      what: `large: start to ready with ${OBJECTS} ConfigMaps of 2 kB`,
      value: (performance.now() - started) / 1000,
      unit: 's',
      mark: { at: 'most', value: 5 },
    });
    await eventually('controllers', async () => (/are at work/.test(cluster.log) ? true : undefined));
    const [command, args] = cluster.host.inside(process.execPath, [
      new URL('./large-load.ts', import.meta.url).pathname,
      cluster.kubeconfig,
      String(OBJECTS),
    ]);
    const output = await mustRun(command, args, { timeoutMs: 300_000 });
    for (const measure of JSON.parse(output) as Measure[]) report(measure);
  } finally {
    await cluster.destroy();
  }
};
