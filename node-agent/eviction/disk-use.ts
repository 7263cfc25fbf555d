import { type DirectoryUsage, directoryUsage } from '#machinery/directory-usage.ts';
import type { Snapshots } from '#snapshots/contract.ts';
import { type AgentPaths, logDirectory, podDirectory } from '../paths.ts';
import { snapshotId } from '../pods/make-container.ts';
import type { PodWorker } from '../pods/worker.ts';

/** What a pod takes of the node's disk: what its containers have written, its volumes there, and its logs. */
export async function podDiskUse(
  worker: PodWorker,
  snapshots: Pick<Snapshots, 'usage'>,
  paths: AgentPaths,
): Promise<DirectoryUsage> {
  const runs = [...worker.observed().containers.values()].flatMap(({ run }) => (run ? [run.id] : []));
  const parts = await Promise.all([
    ...runs.map((id) => snapshots.usage(snapshotId(worker.uid, id))),
    directoryUsage(podDirectory(paths, worker.uid)),
    directoryUsage(logDirectory(paths, worker.pod())),
  ]);
  const sum = (of: keyof DirectoryUsage) => parts.reduce((total, part) => total + part[of], 0);
  return { bytes: sum('bytes'), inodes: sum('inodes') };
}
