import type { VolumeDriver } from '../contract.ts';
import type { VolumeFiles } from '../files.ts';
import { keyedDriver } from '../keyed.ts';

/** Keys of a ConfigMap as files. */
export function configMapDriver(files: VolumeFiles): VolumeDriver {
  const driver = {
    name: 'config-map',
    accepts: (volume: { configMap?: object }) => volume.configMap !== undefined,
    inMemory: () => false,
  };
  return keyedDriver(files, driver, ({ configMap }, sources) => ({
    what: `configmap "${configMap!.name}"`,
    data: sources.configMap(configMap!.name ?? ''),
    settings: configMap!,
  }));
}
