import type { VolumeDriver } from '../contract.ts';
import type { VolumeFiles } from '../files.ts';

/**
 * A directory that lives as long as its pod. `medium: Memory` is a directory on a tmpfs the node has already, so that
 * nothing needs to be mounted; its pages are charged to the container that writes them. sizeLimit is not enforced.
 */
export function emptyDirDriver(files: VolumeFiles): VolumeDriver {
  return {
    name: 'empty-dir',
    accepts: (volume) => volume.emptyDir !== undefined,
    inMemory: (volume) => volume.emptyDir?.medium === 'Memory',
    async mount({ directory, fsGroup }) {
      if ((await files.type(directory)) === undefined) {
        await files.mkdir(directory, 0o777);
        if (fsGroup !== undefined) {
          await files.chown(directory, -1, fsGroup);
          await files.mkdir(directory, 0o2777);
        }
      }
      return { path: directory, readOnly: false };
    },
    unmount: ({ directory }) => files.remove(directory),
  };
}
