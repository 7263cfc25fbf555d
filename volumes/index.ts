import { configMapDriver } from './config-map/index.ts';
import type { VolumeDriver } from './contract.ts';
import { downwardApiDriver } from './downward-api/index.ts';
import { emptyDirDriver } from './empty-dir/index.ts';
import { systemVolumeFiles, type VolumeFiles } from './files.ts';
import { hostPathDriver } from './host-path/index.ts';
import { projectedDriver } from './projected/index.ts';
import { secretDriver } from './secret/index.ts';

/** Every driver; exactly one accepts each supported volume. A new driver is a folder and a line here. */
export function volumeDrivers(files: VolumeFiles = systemVolumeFiles): VolumeDriver[] {
  return [
    emptyDirDriver(files),
    configMapDriver(files),
    secretDriver(files),
    projectedDriver(files),
    downwardApiDriver(files),
    hostPathDriver(files),
  ];
}
