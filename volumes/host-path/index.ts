import { dirname } from 'node:path';
import { type VolumeDriver, VolumeError } from '../contract.ts';
import type { FileType, VolumeFiles } from '../files.ts';

/** What each checked type of hostPath must be. Source: Kubernetes API, HostPathType. */
const WANTED: Record<string, { is: FileType; called: string }> = {
  Directory: { is: 'directory', called: 'a directory' },
  File: { is: 'file', called: 'a file' },
  Socket: { is: 'socket', called: 'a socket' },
  CharDevice: { is: 'charDevice', called: 'a character device' },
  BlockDevice: { is: 'blockDevice', called: 'a block device' },
};

/** A path of the node. Who may use it is decided before a pod reaches the node. */
export function hostPathDriver(files: VolumeFiles): VolumeDriver {
  return {
    name: 'host-path',
    accepts: (volume) => volume.hostPath !== undefined,
    inMemory: () => false,
    async mount({ volume }) {
      const { path, type = '' } = volume.hostPath!;
      if (!path.startsWith('/') || path.split('/').includes('..')) {
        throw new VolumeError(`hostPath ${JSON.stringify(path)} must be absolute and without '..'`, false);
      }
      let found = await files.type(path);
      if (found === undefined && type === 'DirectoryOrCreate') {
        await files.mkdir(path, 0o755);
        found = 'directory';
      }
      if (found === undefined && type === 'FileOrCreate') {
        if ((await files.type(dirname(path))) === undefined) {
          throw new VolumeError(`hostPath type check failed: directory of ${path} does not exist`, true);
        }
        await files.write(path, new Uint8Array(), 0o644);
        found = 'file';
      }
      check(path, type.replace('OrCreate', ''), found);
      return { path, readOnly: false };
    },
    // The path is the node's, not the pod's.
    unmount: () => Promise.resolve(),
  };
}

function check(path: string, type: string, found: FileType | undefined): void {
  if (found === undefined) throw new VolumeError(`hostPath ${path} does not exist on the node`, true);
  const wanted = WANTED[type];
  // A link is followed by the mount itself; its end is what counts there.
  if (wanted && found !== 'link' && found !== wanted.is) {
    throw new VolumeError(`hostPath type check failed: ${path} is not ${wanted.called}`, true);
  }
}
