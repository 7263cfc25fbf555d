import type { PodUse } from '#api/node-link.ts';
import type { Runtime } from '#runtime/contract.ts';
import { isRunning } from '../pods/observed.ts';
import type { PodRoster } from '../pods/roster.ts';

/** What each running container uses. One that ends meanwhile is left out. */
export async function podStats(
  roster: Pick<PodRoster, 'list'>,
  runtime: Pick<Runtime, 'stats'>,
): Promise<PodUse[]> {
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
  return Promise.all(pods);
}
