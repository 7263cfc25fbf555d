/** What claims and volumes have in common. Source: Kubernetes API reference, PersistentVolumeSpec. */
import type { Faults } from './faults.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODES = ['Block', 'Filesystem'];

/** `detail` says what is required when there is none. */
export function checkAccessModes(
  modes: readonly string[] | undefined,
  detail: string,
  field: string,
  faults: Faults,
): void {
  if (!modes?.length) {
    faults.required(field, detail);
    return;
  }
  const known = modes.filter((mode) => ACCESS_MODES.includes(mode));
  for (const mode of modes) if (!ACCESS_MODES.includes(mode)) faults.notSupported(field, mode, ACCESS_MODES);
  if (known.includes('ReadWriteOncePod') && known.some((mode) => mode !== 'ReadWriteOncePod')) {
    faults.forbidden(field, 'may not use ReadWriteOncePod with other access modes');
  }
}

export function checkVolumeMode(mode: string | undefined, field: string, faults: Faults): void {
  if (mode !== undefined && !VOLUME_MODES.includes(mode)) faults.notSupported(field, mode, VOLUME_MODES);
}
