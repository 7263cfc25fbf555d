import { realpath } from 'node:fs/promises';
import { type Mount, RuntimeError } from '../contract.ts';
import { type MountInfo, parseMountInfo, readMountInfo } from './mountinfo.ts';

/**
 * Refuses mounts whose propagation the node cannot give: a mount that is not shared there passes nothing on, and a volume
 * that silently stays empty is worse than an error. Throws RuntimeError Unsupported, in the words of containerd.
 */
export async function checkPropagation(mounts: readonly Mount[], mountinfo?: string): Promise<void> {
  const wanted = mounts.filter(
    ({ type, options }) => type === 'bind' && propagationOf(options) !== undefined,
  );
  if (wanted.length === 0) return;
  const table = parseMountInfo(mountinfo ?? (await readMountInfo()));
  for (const { source, options } of wanted) {
    const path = mountinfo === undefined ? await realpath(source).catch(() => source) : source;
    const mount = mountOf(table, path);
    const both = propagationOf(options) === 'rshared';
    if (mount?.shared || (mount?.slave && !both)) continue;
    throw new RuntimeError(
      'Unsupported',
      `path ${JSON.stringify(source)} is mounted on ${JSON.stringify(mount?.target ?? '')} but it is not a ${both ? 'shared' : 'shared or slave'} mount`,
      'mount propagation',
    );
  }
}

function propagationOf(options: readonly string[]): 'rslave' | 'rshared' | undefined {
  if (options.includes('rshared')) return 'rshared';
  return options.includes('rslave') ? 'rslave' : undefined;
}

/** The mount that `path` is on: the one with the longest target, of several the last, which covers the others. */
function mountOf(table: readonly MountInfo[], path: string): MountInfo | undefined {
  let found: MountInfo | undefined;
  for (const mount of table) {
    const holds = mount.target === '/' || path === mount.target || path.startsWith(`${mount.target}/`);
    if (holds && mount.target.length >= (found?.target.length ?? 0)) found = mount;
  }
  return found;
}
