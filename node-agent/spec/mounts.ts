import { constants } from 'node:fs';
import { lstat, mkdir, open, readlink, realpath } from 'node:fs/promises';
import type { Container } from '#api/objects.ts';
import type { Mount } from '#runtime/contract.ts';
import type { MountedVolume } from '#volumes/contract.ts';
import { expand } from './expand.ts';
import { ConfigFault } from './fault.ts';

export type VolumeMount = NonNullable<Container['volumeMounts']>[number];

/** Where a mount's subPath really is; known only after looking at the volume. */
export type SubPathResolver = (volume: MountedVolume, subPath: string) => Promise<string>;

/** The container's volume mounts, in the order of the pod's spec. Throws ConfigFault where a path leaves its volume. */
export async function volumeMounts(
  container: Container,
  volumes: ReadonlyMap<string, MountedVolume>,
  env: Record<string, string>,
  resolve: SubPathResolver,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumes.get(mount.name);
    if (!volume)
      throw new ConfigFault(
        `volume ${JSON.stringify(mount.name)} of container ${container.name} is not mounted`,
      );
    const subPath = mount.subPathExpr ? expand(mount.subPathExpr, (name) => env[name]) : mount.subPath;
    const source = subPath ? await resolve(volume, subPath) : volume.path;
    const whole = bind(source, mount.mountPath, mount.readOnly || volume.readOnly);
    const propagation = PROPAGATION[mount.mountPropagation ?? 'None'];
    const more = [
      ...(propagation ? [propagation] : []),
      ...(readOnlyBelow(mount) ? ['rro'] : []),
      ...(subPath ? ['nolinks'] : []),
    ];
    mounts.push({ ...whole, options: [...whole.options, ...more] });
  }
  return mounts;
}

/** Source: Kubernetes API, MountPropagationMode. */
const PROPAGATION: Record<string, string | undefined> = {
  None: undefined,
  HostToContainer: 'rslave',
  Bidirectional: 'rshared',
};

/** This runtime can always do it, so that `IfPossible` is `Enabled`. */
function readOnlyBelow({ readOnly, recursiveReadOnly }: VolumeMount): boolean {
  return readOnly === true && (recursiveReadOnly === 'Enabled' || recursiveReadOnly === 'IfPossible');
}

/** What containerStatuses[].volumeMounts says of the container's mounts. Source: Kubernetes API, VolumeMountStatus. */
export function volumeMountStatuses(container: Container) {
  return (container.volumeMounts ?? []).map((mount) => ({
    name: mount.name,
    mountPath: mount.mountPath,
    ...(mount.readOnly && {
      readOnly: true,
      recursiveReadOnly: readOnlyBelow(mount) ? 'Enabled' : 'Disabled',
    }),
  }));
}

/** A bind mount; by itself nothing mounted later on either side is seen by the other. */
export function bind(source: string, target: string, readOnly: boolean): Mount {
  return { type: 'bind', source, target, options: ['rbind', readOnly ? 'ro' : 'rw'] };
}

/**
 * The real path of `subPath` in a volume, made as a directory when it is not there. Links are followed only as long as
 * they stay in the volume. A container that swaps a directory for a link between this look and the mount gains nothing: the
 * path has no links, and is mounted with `nolinks`.
 */
export const resolveSubPath: SubPathResolver = async (volume, subPath) => {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (subPath.startsWith('/') || parts.includes('..')) {
    throw new ConfigFault(`subPath ${JSON.stringify(subPath)} must be relative and without '..'`);
  }
  const root = await realpath(volume.path);
  let path = root;
  for (const part of parts) {
    const next = `${path}/${part}`;
    try {
      path = await realpath(next);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if ((await exists(next)) || volume.readOnly) {
        throw new ConfigFault(
          `failed to prepare subPath for volumeMount: ${subPath} does not exist in the volume`,
        );
      }
      await makeDirectory(path, part);
      path = next;
    }
    if (path !== root && !path.startsWith(`${root}/`)) {
      throw new ConfigFault(`failed to prepare subPath for volumeMount: ${subPath} leaves the volume`);
    }
  }
  return path;
};

/** Makes `name` in the directory that `parent` really is: by its descriptor, so that no link put there since is followed. */
async function makeDirectory(parent: string, name: string): Promise<void> {
  const handle = await open(parent, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const here = `/proc/self/fd/${handle.fd}`;
    if ((await readlink(here)) !== parent)
      throw new ConfigFault(`failed to prepare subPath for volumeMount: ${parent} is being changed`);
    await mkdir(`${here}/${name}`, { mode: 0o755 });
  } finally {
    await handle.close();
  }
}

/** Also true for a link to nothing. */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
