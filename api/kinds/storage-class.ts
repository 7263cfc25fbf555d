import type { Kind } from '../kind.ts';
import type { StorageClass } from '../objects.ts';
import { isDefaultStorageClass } from '../semantics/volumes.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkStorageClass, checkStorageClassUpdate } from '../validation/storage.ts';
import { storageClassWarnings } from '../warnings/volumes.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A sort of storage that claims ask for by name, and who makes it. */
export const StorageClassKind: Kind<StorageClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  singular: 'storageclass',
  shortNames: ['sc'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.StorageClass',
  strategy: strategyOf<StorageClass>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(storageClass) {
      storageClass.reclaimPolicy ??= 'Delete';
      storageClass.volumeBindingMode ??= 'Immediate';
    },
    check: checkStorageClass,
    checkUpdate: checkStorageClassUpdate,
    warnings: storageClassWarnings,
  }),
  columns: [
    {
      ...nameColumn,
      cell: (storageClass) =>
        `${storageClass.metadata.name}${isDefaultStorageClass(storageClass) ? ' (default)' : ''}`,
    },
    column('Provisioner', 'string', 'Who makes its volumes.', ({ provisioner }) => provisioner ?? ''),
    column(
      'ReclaimPolicy',
      'string',
      'What becomes of a volume when its claim goes.',
      ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete',
    ),
    column(
      'VolumeBindingMode',
      'string',
      'When a claim gets its volume.',
      ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate',
    ),
    column(
      'AllowVolumeExpansion',
      'string',
      'Whether a claim can grow.',
      ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false,
    ),
    ageColumn,
  ],
};
