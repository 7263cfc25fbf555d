import { StorageClassKind } from '#api/kinds/storage-class.ts';
import type { PersistentVolumeClaim } from '#api/objects.ts';
import { isDefaultStorageClass, STORAGE_CLASS_ANNOTATION } from '#api/semantics/volumes.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { newestName } from './default-class.ts';

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
    const name = newestName(objects.list(StorageClassKind).filter(isDefaultStorageClass));
    if (name !== undefined) claim.spec.storageClassName = name;
  },
};
