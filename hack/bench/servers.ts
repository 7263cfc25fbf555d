import { join } from 'node:path';
import { TestCluster } from '#test/harness/cluster.ts';
import { TestEtcd } from '#test/harness/etcd.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { eventually, mustRun } from '#test/harness/run.ts';
import type { Measure, Section } from './table.ts';

/** Two servers on one etcd, loaded from a third host. All of it shares the machine's cores: the two do not add theirs. */
export const servers: Section = async (report) => {
  const lab = new Lab({ hosts: 3 });
  const [first, second, third] = lab.hosts as [LabHost, LabHost, LabHost];
  const etcd = new TestEtcd(third, third.address);
  const cluster = new TestCluster(first);
  const other = new TestMachine(second, 'node-2');
  try {
    await lab.create();
    await etcd.start();
    await cluster.up(['--store', etcd.store]);
    const line = await cluster.gantry(['token', 'create', '--role', 'server', '-o', 'json']);
    other.start(JSON.parse(line).command);
    const admins = [cluster.kubeconfig, join(other.directory, 'admin.kubeconfig')];
    await eventually(
      'both serve',
      async () => {
        const ask = (kubeconfig: string) =>
          cluster.kubectl(['get', '--raw', '/readyz', '--kubeconfig', kubeconfig]);
        for (const admin of admins) if ((await ask(admin)).code !== 0) return undefined;
        return true;
      },
      { timeoutMs: 60_000 },
    );
    const program = new URL('./servers-load.ts', import.meta.url).pathname;
    const urls = [first, second].map(({ address }) => `https://${address}:6443`);
    const args = [program, etcd.store.replace('etcd://', ''), cluster.kubeconfig, ...urls];
    const output = await mustRun(...third.inside(process.execPath, args), { timeoutMs: 300_000 });
    for (const measure of JSON.parse(output) as Measure[]) report(measure);
  } finally {
    await other.destroy();
    await cluster.destroy();
    await etcd.remove();
    await lab.remove();
  }
};
