import { writePayload } from './atomic.ts';
import type { VolumeContext, VolumeDriver } from './contract.ts';
import type { VolumeFiles } from './files.ts';
import { DEFAULT_FILE_MODE, keyedPayload } from './payload.ts';

type Volume = VolumeContext['volume'];

/** What ConfigMap and Secret volumes differ in. */
export interface KeyedObject {
  /** For messages: `secret "x"`. */
  what: string;
  /** The object's keys; undefined when there is no such object. */
  data: Record<string, Uint8Array> | undefined;
  /** The volume's own settings. */
  settings: Pick<NonNullable<Volume['configMap']>, 'optional' | 'items' | 'defaultMode'>;
}

/** A driver of volumes whose files are the keys of one object, swapped as a whole when it changes. */
export function keyedDriver(
  files: VolumeFiles,
  driver: Pick<VolumeDriver, 'name' | 'accepts' | 'inMemory'>,
  sourceOf: (volume: Volume, sources: VolumeContext['sources']) => KeyedObject,
): VolumeDriver {
  return {
    ...driver,
    async mount({ volume, directory, sources, fsGroup }) {
      const { what, data, settings } = sourceOf(volume, sources);
      const { optional = false, items, defaultMode = DEFAULT_FILE_MODE } = settings;
      await writePayload(
        files,
        directory,
        keyedPayload({ what, data, optional, items, defaultMode }),
        fsGroup,
      );
      return { path: directory, readOnly: true };
    },
    unmount: ({ directory }) => files.remove(directory),
  };
}
