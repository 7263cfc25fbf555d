import { writePayload } from '../atomic.ts';
import type { VolumeDriver } from '../contract.ts';
import { downwardPayload } from '../downward-files.ts';
import type { VolumeFiles } from '../files.ts';
import { DEFAULT_FILE_MODE } from '../payload.ts';

/** Fields of the pod itself as files. */
export function downwardApiDriver(files: VolumeFiles): VolumeDriver {
  return {
    name: 'downward-api',
    accepts: (volume) => volume.downwardAPI !== undefined,
    inMemory: () => false,
    async mount(context) {
      const source = context.volume.downwardAPI!;
      const payload = downwardPayload(source.items ?? [], context, source.defaultMode ?? DEFAULT_FILE_MODE);
      await writePayload(files, context.directory, payload, context.fsGroup);
      return { path: context.directory, readOnly: true };
    },
    unmount: ({ directory }) => files.remove(directory),
  };
}
