import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { VolumeFiles } from './files.ts';
import { checkPath, type PayloadFile } from './payload.ts';

/**
 * A directory of files that changes as a whole: the files live in `..<hash of the content>`, `..data` is a link to it, and
 * what people see are links through `..data`. One rename swaps all files at once, also for a reader in a container.
 * Invariant: at every moment `..data` names a complete directory. Same layout as Kubernetes' AtomicWriter, so programs that
 * watch `..data` keep working.
 */
export async function writePayload(
  files: VolumeFiles,
  directory: string,
  payload: readonly PayloadFile[],
  fsGroup?: number,
): Promise<void> {
  for (const file of payload) checkPath(file.path);
  const version = `..${fingerprint(payload, fsGroup)}`;
  const previous = await files.readlink(`${directory}/..data`);
  if (previous === version) return;
  await files.mkdir(directory, fsGroup === undefined ? 0o777 : 0o2777);
  if (fsGroup !== undefined) await files.chown(directory, -1, fsGroup);
  // A crash may have left half of it.
  await files.remove(`${directory}/${version}`);
  await writeVersion(files, `${directory}/${version}`, payload, fsGroup);
  await files.remove(`${directory}/..data_tmp`);
  await files.symlink(version, `${directory}/..data_tmp`);
  await files.rename(`${directory}/..data_tmp`, `${directory}/..data`);
  await linkNames(files, directory, payload);
  await removeOthers(files, directory, version);
}

async function writeVersion(
  files: VolumeFiles,
  directory: string,
  payload: readonly PayloadFile[],
  fsGroup?: number,
): Promise<void> {
  const made = new Set<string>();
  const mkdir = async (path: string) => {
    if (made.has(path)) return;
    if (path !== directory) await mkdir(dirname(path));
    await files.mkdir(path, fsGroup === undefined ? 0o755 : 0o2775);
    if (fsGroup !== undefined) await files.chown(path, -1, fsGroup);
    made.add(path);
  };
  await mkdir(directory);
  for (const file of payload) {
    const path = `${directory}/${file.path}`;
    await mkdir(dirname(path));
    // Members of fsGroup can read whatever the mode says (Kubernetes SetVolumeOwnership of a read-only volume).
    await files.write(path, file.data, fsGroup === undefined ? file.mode : file.mode | 0o440);
    if (file.uid !== undefined || fsGroup !== undefined) {
      await files.chown(path, file.uid ?? -1, fsGroup ?? -1);
      // chown clears nothing we set: set-id bits are not valid file modes of a volume.
    }
  }
}

/** A link per top-level name, and none for names that are gone. */
async function linkNames(files: VolumeFiles, directory: string, payload: readonly PayloadFile[]) {
  const wanted = new Set(payload.map((file) => file.path.split('/')[0]!));
  const present = new Set((await files.list(directory)).filter((name) => !name.startsWith('..')));
  for (const name of wanted) {
    if (!present.has(name)) await files.symlink(`..data/${name}`, `${directory}/${name}`);
  }
  for (const name of present) if (!wanted.has(name)) await files.remove(`${directory}/${name}`);
}

async function removeOthers(files: VolumeFiles, directory: string, version: string): Promise<void> {
  for (const name of await files.list(directory)) {
    if (name.startsWith('..') && name !== '..data' && name !== version) {
      await files.remove(`${directory}/${name}`);
    }
  }
}

function fingerprint(payload: readonly PayloadFile[], fsGroup?: number): string {
  const hash = createHash('sha256').update(`${fsGroup ?? ''}\n`);
  for (const file of [...payload].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${file.path}\0${file.mode}\0${file.uid ?? ''}\0${file.data.length}\0`).update(file.data);
  }
  return hash.digest('hex').slice(0, 32);
}
