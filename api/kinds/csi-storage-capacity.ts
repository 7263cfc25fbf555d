import { canonicalQuantityOr } from '../defaults/quantities.ts';
import type { Kind } from '../kind.ts';
import type { CSIStorageCapacity } from '../objects.ts';
import { checkCsiStorageCapacity, checkCsiStorageCapacityUpdate } from '../validation/csi.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { storageCapacityWarnings } from '../warnings/volumes.ts';
import { column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** How much room there is for volumes of a class, on some nodes. */
export const CSIStorageCapacityKind: Kind<CSIStorageCapacity> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  singular: 'csistoragecapacity',
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.storage.v1.CSIStorageCapacity',
  strategy: strategyOf<CSIStorageCapacity>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults(object) {
      for (const name of ['capacity', 'maximumVolumeSize'] as const) {
        const quantity = object[name];
        if (quantity !== undefined) object[name] = canonicalQuantityOr(quantity);
      }
    },
    check: checkCsiStorageCapacity,
    checkUpdate: checkCsiStorageCapacityUpdate,
    warnings: storageCapacityWarnings,
  }),
  columns: [
    nameColumn,
    column('StorageClassName', 'string', 'The class.', ({ storageClassName }) => storageClassName ?? ''),
    column('Capacity', 'string', 'How much room there is.', ({ capacity }) => capacity ?? '<unset>'),
  ],
};
