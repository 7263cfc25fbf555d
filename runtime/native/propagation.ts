import { readFile, realpath } from 'node:fs/promises';
import { type Mount, RuntimeError } from '../contract.ts';

/** One line of /proc/self/mountinfo. Source: Linux, Documentation/filesystems/proc.rst, 3.5. */
interface MountInfo {
  target: string;
  shared: boolean;
  slave: boolean;
}

/**
 * Refuses mounts whose propagation the node cannot give: a mount that is not shared there passes nothing on, and a volume
 * that silently stays empty is worse than an error. Throws RuntimeError Unsupported, in the words of containerd.
 */
export async function checkPropagation(mounts: readonly Mount[], mountinfo?: string): Promise<void> {
  const wanted = mounts.filter(
    ({ type, options }) => type === 'bind' && propagationOf(options) !== undefined,
  );
  if (wanted.length === 0) return;
  const table = parseMountInfo(mountinfo ?? (await readFile('/proc/self/mountinfo', 'utf8')));
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

function parseMountInfo(text: string): MountInfo[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const fields = line.split(' - ')[0]!.split(' ');
    const tags = fields.slice(6);
    return {
      target: fields[4]!.replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
      shared: tags.some((tag) => tag.startsWith('shared:')),
      slave: tags.some((tag) => tag.startsWith('master:')),
    };
  });
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
