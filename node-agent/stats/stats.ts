import type { Runtime } from '#runtime/contract.ts';
import { isRunning } from '../pods/observed.ts';
import type { PodRoster } from '../pods/roster.ts';

export interface PodUse {
  namespace: string;
  name: string;
  containers: {
    name: string;
    cpuNanoseconds: number;
    memoryBytes: number;
    workingSetBytes: number;
    pids: number;
  }[];
}

/** What each running container uses. One that ends meanwhile is left out. */
export async function podStats(
  roster: Pick<PodRoster, 'list'>,
  runtime: Pick<Runtime, 'stats'>,
): Promise<{ pods: PodUse[] }> {
  const pods = roster.list().map(async (worker): Promise<PodUse> => {
    const { namespace = '', name } = worker.pod().metadata;
    const running = [...worker.observed().containers].filter(([, container]) => isRunning(container));
    const containers = running.map(async ([container, { run }]) => {
      const stats = await runtime.stats(worker.uid, run!.id);
      const { cpuNs, memoryBytes, memoryWorkingSetBytes, pids } = stats;
      return {
        name: container,
        cpuNanoseconds: cpuNs,
        memoryBytes,
        workingSetBytes: memoryWorkingSetBytes,
        pids,
      };
    });
    const settled = await Promise.allSettled(containers);
    return {
      namespace,
      name,
      containers: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    };
  });
  return { pods: await Promise.all(pods) };
}
