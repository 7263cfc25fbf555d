import type { AgentPaths } from '../paths.ts';
import { logsDirectory, podDirectory, podMemoryDirectory, podsDirectories } from '../paths.ts';
import type { PodContext } from './context.ts';

/**
 * UIDs of pods of which there is something on the node, from the names of what there is. `sandboxes` and leases are the
 * caller's: it has them at hand.
 */
export async function podsOnDisk({ snapshots, files, paths }: Disk): Promise<Set<string>> {
  const uids = new Set<string>();
  for (const id of await snapshots.list()) uids.add(id.slice(0, id.indexOf('.')));
  for (const directory of podsDirectories(paths)) {
    for (const uid of await files.list(directory)) uids.add(uid);
  }
  for (const name of await files.list(logsDirectory(paths))) uids.add(uidOfLogs(name));
  return uids;
}

type Disk = Pick<PodContext, 'snapshots' | 'files'> & { paths: AgentPaths };

/** Removes all that is left of a pod that nobody knows: its sandbox, address, layers, files and logs. Harmless to repeat. */
export async function removeOrphan(uid: string, context: PodContext): Promise<void> {
  const { runtime, network, files, paths, log } = context;
  log.info('Removing what belongs to no pod', { uid });
  await runtime.removeSandbox(uid);
  await network.detach(uid);
  await removeSnapshots(uid, context);
  await files.remove(podDirectory(paths, uid));
  await files.remove(podMemoryDirectory(paths, uid));
  for (const name of await files.list(logsDirectory(paths))) {
    if (uidOfLogs(name) === uid) await files.remove(`${logsDirectory(paths)}/${name}`);
  }
}

/** All writable layers of a pod, also of starts that failed half way and that nothing else remembers. */
export async function removeSnapshots(
  uid: string,
  { snapshots }: Pick<PodContext, 'snapshots'>,
): Promise<void> {
  for (const id of await snapshots.list()) if (id.startsWith(`${uid}.`)) await snapshots.remove(id);
}

/** Of `<namespace>_<name>_<uid>`. */
function uidOfLogs(name: string): string {
  return name.slice(name.lastIndexOf('_') + 1);
}
