/** What volumes, claims and classes must agree on. Source: Kubernetes documentation, "Persistent Volumes". */
import type { ApiObject, PersistentVolume, PersistentVolumeClaim } from '../objects.ts';

/** The annotation that named the class of a claim or volume before there was a field. */
export const STORAGE_CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

/** The storage class of a claim or volume, empty without one. */
export function storageClassOf(object: PersistentVolumeClaim | PersistentVolume): string {
  return object.metadata.annotations?.[STORAGE_CLASS_ANNOTATION] ?? object.spec?.storageClassName ?? '';
}

const SHORT_MODES: readonly [mode: string, short: string][] = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
];

/** `RWO,RWX`: the access modes as people read them, always in the same order. */
export function accessModesText(modes: readonly string[] | undefined): string {
  return SHORT_MODES.filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',');
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';
/** Its name before it was final. */
const DEFAULT_CLASS_BETA = 'storageclass.beta.kubernetes.io/is-default-class';

/** Whether claims that name no class get this one. */
export function isDefaultStorageClass({ metadata: { annotations } }: ApiObject): boolean {
  return annotations?.[DEFAULT_CLASS] === 'true' || annotations?.[DEFAULT_CLASS_BETA] === 'true';
}
