import { podDirectory, podMemoryDirectory } from '../paths.ts';
import type { PodContext } from './context.ts';

/** Removes all that is left of a pod that nobody knows: its sandbox, address, layers and files. Harmless to repeat. */
export async function removeOrphan(uid: string, context: PodContext): Promise<void> {
  context.log.info('Removing what belongs to no pod', { uid });
  await context.runtime.removeSandbox(uid);
  await context.network.detach(uid);
  for (const id of await context.snapshots.list()) {
    if (id.startsWith(`${uid}.`)) await context.snapshots.remove(id);
  }
  await context.files.remove(podDirectory(context.paths, uid));
  await context.files.remove(podMemoryDirectory(context.paths, uid));
}
