import type { VolumeDriver } from '../contract.ts';
import type { VolumeFiles } from '../files.ts';
import { keyedDriver } from '../keyed.ts';

/** Keys of a Secret as files, never on a disk. */
export function secretDriver(files: VolumeFiles): VolumeDriver {
  const driver = {
    name: 'secret',
    accepts: (volume: { secret?: object }) => volume.secret !== undefined,
    inMemory: () => true,
  };
  return keyedDriver(files, driver, ({ secret }, sources) => ({
    what: `secret "${secret!.secretName}"`,
    data: sources.secret(secret!.secretName ?? ''),
    settings: secret!,
  }));
}
