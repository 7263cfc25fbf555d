import type { GroupUse, PodUse } from '#api/node-link.ts';
import type { ContainerStats, Runtime } from '#runtime/contract.ts';
import { isRunning } from '../pods/observed.ts';
import type { PodRoster } from '../pods/roster.ts';

/** What each pod and running container uses. What ends meanwhile is left out. */
export async function podStats(
  roster: Pick<PodRoster, 'list'>,
  runtime: Pick<Runtime, 'stats'>,
): Promise<PodUse[]> {
  const pods = roster.list().map(async (worker): Promise<PodUse> => {
    const { namespace = '', name } = worker.pod().metadata;
    const observed = worker.observed();
    const running = [...observed.containers].filter(([, container]) => isRunning(container));
    const containers = running.map(async ([container, { run }]) => ({
      name: container,
      ...useOf(await runtime.stats(worker.uid, run!.id), worker.oomKills.get(container)),
    }));
    const whole = observed.sandbox === 'ready' ? [runtime.stats(worker.uid)] : [];
    const [[pod], settled] = await Promise.all([Promise.allSettled(whole), Promise.allSettled(containers)]);
    return {
      namespace,
      name,
      ...(pod?.status === 'fulfilled' && { whole: useOf(pod.value) }),
      containers: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    };
  });
  return Promise.all(pods);
}

/** What a group has counted goes with it, when its container starts anew: `seenKills` does not. */
function useOf(stats: ContainerStats, seenKills = 0): GroupUse {
  const { cpuNs, memoryBytes, memoryWorkingSetBytes, pids, oomKills, pressure } = stats;
  return {
    cpuNanoseconds: cpuNs,
    memoryBytes,
    workingSetBytes: memoryWorkingSetBytes,
    pids,
    oomKills: Math.max(oomKills, seenKills),
    ...(pressure && { pressure }),
  };
}
