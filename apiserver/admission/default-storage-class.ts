import { StorageClassKind } from '#api/kinds/storage-class.ts';
import type { PersistentVolumeClaim } from '#api/objects.ts';
import { isDefaultStorageClass, STORAGE_CLASS_ANNOTATION } from '#api/semantics/volumes.ts';
import type { AdmissionPlugin } from '../contract.ts';

/**
 * A claim that names no class gets the default one. Of several the newest counts, of those made at once the first by
 * name. Source: Kubernetes DefaultStorageClass admission.
 */
export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  mutate({ kind, operation, subresource, object }, objects) {
    if (operation !== 'CREATE' || kind.plural !== 'persistentvolumeclaims' || subresource !== '') return;
    const claim = object as PersistentVolumeClaim;
    if (claim.metadata.annotations?.[STORAGE_CLASS_ANNOTATION] !== undefined) return;
    if (!claim.spec || claim.spec.storageClassName !== undefined) return;
    const [first] = objects
      .list(StorageClassKind)
      .filter(isDefaultStorageClass)
      .map(({ metadata: { name, creationTimestamp = '' } }) => ({ name, made: creationTimestamp }))
      .sort((a, b) => (a.made === b.made ? (a.name < b.name ? -1 : 1) : a.made > b.made ? -1 : 1));
    if (first) claim.spec.storageClassName = first.name;
  },
};
