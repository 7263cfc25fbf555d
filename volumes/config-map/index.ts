import { writePayload } from '../atomic.ts';
import type { VolumeDriver } from '../contract.ts';
import type { VolumeFiles } from '../files.ts';
import { DEFAULT_FILE_MODE, keyedPayload } from '../payload.ts';

/** Keys of a ConfigMap as files, swapped as a whole when it changes. */
export function configMapDriver(files: VolumeFiles): VolumeDriver {
  return {
    name: 'config-map',
    accepts: (volume) => volume.configMap !== undefined,
    inMemory: () => false,
    async mount({ volume, directory, sources, fsGroup }) {
      const source = volume.configMap!;
      const payload = keyedPayload({
        what: `configmap "${source.name}"`,
        data: sources.configMap(source.name ?? ''),
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
