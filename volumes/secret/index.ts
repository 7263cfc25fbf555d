import { writePayload } from '../atomic.ts';
import type { VolumeDriver } from '../contract.ts';
import type { VolumeFiles } from '../files.ts';
import { DEFAULT_FILE_MODE, keyedPayload } from '../payload.ts';

/** Keys of a Secret as files, never on a disk. */
export function secretDriver(files: VolumeFiles): VolumeDriver {
  return {
    name: 'secret',
    accepts: (volume) => volume.secret !== undefined,
    inMemory: () => true,
    async mount({ volume, directory, sources, fsGroup }) {
      const source = volume.secret!;
      const payload = keyedPayload({
        what: `secret "${source.secretName}"`,
        data: sources.secret(source.secretName ?? ''),
        optional: source.optional ?? false,
        items: source.items,
        defaultMode: source.defaultMode ?? DEFAULT_FILE_MODE,
      });
      await writePayload(files, directory, payload, fsGroup);
      return { path: directory, readOnly: true };
    },
    unmount: ({ directory }) => files.remove(directory),
  };
}
