import { closeSync, constants, openSync } from 'node:fs';

/** sun_path of unix(7), with its terminating zero. */
const SUN_PATH_MAX = 108;

/**
 * Calls `use` with a path of the socket `directory/name` that fits into sun_path: a long directory is reached through
 * /proc/self/fd while `use` runs.
 */
export async function withSocketPath<T>(
  directory: string,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = `${directory}/${name}`;
  if (Buffer.byteLength(path) < SUN_PATH_MAX) return await use(path);
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}
