import { dirname } from 'node:path';
import { type ContainerSpec, type Mount, RuntimeError } from '../contract.ts';
import type { Refusal } from './peer.ts';

/**
 * The mounts of a container in a user namespace, shown with the owners the pod knows (idmapped mounts): nothing on the disk
 * is chowned, and pods with different ids share layers. Overlay mounts cannot be mapped, but what they are made of can: the
 * directory that holds all layers is mounted below `anchor` with its owners moved, and overlay is told to look there.
 */
export function mapOwners(
  spec: Pick<ContainerSpec, 'root' | 'mounts'>,
  anchor: string,
): { root: Mount; layers: Mount[]; mounts: Mount[] } {
  const mounts = spec.mounts.map(mapOwner);
  if (spec.root.type !== 'overlay') return { root: mapOwner(spec.root), layers: [], mounts };
  const base = commonDirectory(spec.root.options.flatMap(pathsOf));
  const moved = (path: string) => `${anchor}/layers${path.slice(base === '/' ? 0 : base.length)}`;
  const options = spec.root.options.map((option) => {
    const paths = pathsOf(option);
    return paths.length === 0 ? option : `${option.split('=')[0]}=${paths.map(moved).join(':')}`;
  });
  const layers: Mount[] = [
    // The anchor itself is the node's: directories are made in this.
    { type: 'tmpfs', source: 'tmpfs', target: anchor, options: ['mode=700', `size=${LAYERS_BYTES}`] },
    { type: 'bind', source: base, target: `${anchor}/layers`, options: ['idmap'] },
  ];
  return { root: { ...spec.root, options }, layers, mounts };
}

/** Options of overlay that are directories. */
const PATHS = new Set(['lowerdir', 'upperdir', 'workdir']);
/** Holds one directory. */
const LAYERS_BYTES = 16 * 1024;

function pathsOf(option: string): string[] {
  const [key, ...paths] = option.split(/[=:]/);
  return PATHS.has(key!) ? paths : [];
}

/** The deepest directory above all; they are on one file system. */
function commonDirectory(paths: readonly string[]): string {
  let base = dirname(paths[0]!);
  for (const path of paths) {
    while (base !== '/' && !path.startsWith(`${base}/`)) base = dirname(base);
  }
  return base;
}

/** Also what is mounted later below a volume that propagates: it is seen as nobody's. */
function mapOwner(mount: Mount): Mount {
  if (mount.type !== 'bind') return mount;
  if (mount.options.includes('rshared')) {
    throw new RuntimeError(
      'Unsupported',
      `Bidirectional propagation of ${mount.target} in a pod with a user namespace: what is mounted in one does not reach the node`,
      'mount propagation',
    );
  }
  return { ...mount, options: [...mount.options, 'idmap'] };
}

const EINVAL = 22;

/** A file system that cannot show other owners: said so, since the pod's author cannot know. */
export function explainIdmap(refusal: Refusal): RuntimeError | undefined {
  if (refusal.step !== 'idmap mount' || refusal.errno !== EINVAL) return undefined;
  return new RuntimeError(
    'Unsupported',
    `the file system of ${refusal.detail} (or of a mount below it) does not support idmapped mounts on this node's kernel, which a pod with hostUsers: false needs`,
    refusal.step,
  );
}
