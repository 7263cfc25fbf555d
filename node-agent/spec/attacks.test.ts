import { mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount } from '#runtime/contract.ts';
import { attacks, outcome, type Target } from '#runtime/native/attacks/attack.ts';
import { ConfigFault } from './fault.ts';
import { resolveSubPath, type SubPathResolver, volumeMounts } from './mounts.ts';

/** Attacks by a pod's author who mounts a subPath, and by what another container has put into the volume. */

interface Place {
  volume: string;
  /** Outside of the volume, with a file `key` that the pod must not get. */
  secret: string;
}

async function place({ node }: Target): Promise<Place> {
  const made = { volume: join(node.base, 'volumes/shared'), secret: join(node.base, 'secret') };
  for (const directory of Object.values(made)) await mkdir(directory, { recursive: true });
  await writeFile(join(made.secret, 'key'), 'the node’s secret');
  return made;
}

/** What a container reads that mounts `subPath` of the volume at /loot, or why there is none; `change` is done to its mounts. */
async function loot(
  target: Target,
  { volume }: Place,
  subPath: string,
  resolve: SubPathResolver,
  change: (mount: Mount) => Mount,
): Promise<string> {
  const volumeMount = { name: 'v', mountPath: '/loot', subPath };
  const container = { name: 'c', image: 'i', volumeMounts: [volumeMount] };
  const volumes = new Map([['v', { path: volume, readOnly: false }]]);
  try {
    const mounts = await volumeMounts(container, volumes, {}, resolve);
    return await outcome(target, 'cat /loot/key /loot 2>/dev/null', { mounts: mounts.map(change) });
  } catch (error) {
    if (error instanceof ConfigFault) return `refused: ${error.message}`;
    throw error;
  }
}

const asItIs = (mount: Mount) => mount;
const followed = (mount: Mount) => ({
  ...mount,
  options: mount.options.filter((option) => option !== 'nolinks'),
});
const unchecked: SubPathResolver = async ({ path }, subPath) => join(path, subPath);

/** `subPath` is what it should be when it is looked at, and by the mount `name` has become a link to `outside`. */
async function exchanged(target: Target, subPath: string, name: string, outside: string): Promise<string> {
  const there = await place(target);
  const { volume } = there;
  await mkdir(join(volume, subPath), { recursive: true });
  await symlink(join(target.node.base, outside), join(volume, 'link'));
  const late: SubPathResolver = async (mounted, path) => {
    const looked = await resolveSubPath(mounted, path);
    await rename(join(volume, name), join(volume, 'old'));
    await rename(join(volume, 'link'), join(volume, name));
    return looked;
  };
  return await loot(target, there, subPath, late, target.defended ? asItIs : followed);
}

attacks('subPath', [
  {
    name: 'CVE-2017-1002101: a subPath that is a link out of the volume',
    async attempt(target) {
      const there = await place(target);
      await symlink(there.secret, join(there.volume, 'link'));
      return await loot(target, there, 'link', target.defended ? resolveSubPath : unchecked, followed);
    },
    stopped: 'refused: failed to prepare subPath for volumeMount: link leaves the volume',
    succeeded: 'the node’s secret',
  },
  {
    name: 'CVE-2017-1002101: a subPath by way of a link that climbs out of the volume',
    async attempt(target) {
      const there = await place(target);
      await mkdir(join(there.volume, 'deep'));
      await symlink('../../..', join(there.volume, 'deep/up'));
      const subPath = 'deep/up/secret/key';
      return await loot(target, there, subPath, target.defended ? resolveSubPath : unchecked, followed);
    },
    stopped: /^refused: .* leaves the volume$/,
    succeeded: 'the node’s secret',
  },
  {
    name: 'CVE-2017-1002101: a missing subPath that is made on the node, behind a link',
    async attempt(target) {
      const there = await place(target);
      await symlink(there.secret, join(there.volume, 'link'));
      const careless: SubPathResolver = async ({ path }, subPath) => {
        await mkdir(join(path, subPath), { recursive: true });
        return join(path, subPath);
      };
      await loot(target, there, 'link/made', target.defended ? resolveSubPath : careless, followed);
      return (await readdir(there.secret)).sort().join(' ');
    },
    stopped: /^key$/,
    succeeded: /^key made$/,
  },
  {
    name: 'CVE-2021-25741: a subPath exchanged for a link between the look and the mount',
    attempt: (target) => exchanged(target, 'data', 'data', 'secret'),
    stopped: 'refused: bind mount source',
    succeeded: 'the node’s secret',
  },
  {
    name: 'CVE-2021-25741: a parent of the subPath exchanged for a link between the look and the mount',
    attempt: (target) => exchanged(target, 'parent/secret', 'parent', '.'),
    stopped: 'refused: bind mount source',
    succeeded: 'the node’s secret',
  },
]);
