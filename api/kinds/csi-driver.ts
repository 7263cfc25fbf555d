import type { Kind } from '../kind.ts';
import type { CSIDriver } from '../objects.ts';
import { checkCsiDriver, checkCsiDriverUpdate } from '../validation/csi.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn, orNone } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A storage driver of the cluster, and what it needs. */
export const CSIDriverKind: Kind<CSIDriver> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  singular: 'csidriver',
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.CSIDriver',
  strategy: strategyOf<CSIDriver>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(driver) {
      driver.spec ??= {};
      const { spec } = driver;
      spec.attachRequired ??= true;
      spec.podInfoOnMount ??= false;
      spec.storageCapacity ??= false;
      spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
      if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
      spec.requiresRepublish ??= false;
      spec.seLinuxMount ??= false;
    },
    check: checkCsiDriver,
    checkUpdate: checkCsiDriverUpdate,
  }),
  columns: [
    nameColumn,
    column(
      'AttachRequired',
      'boolean',
      'Whether volumes are attached to nodes first.',
      ({ spec }) => spec?.attachRequired ?? true,
    ),
    column(
      'PodInfoOnMount',
      'boolean',
      'Whether it is told of the pod.',
      ({ spec }) => spec?.podInfoOnMount ?? false,
    ),
    column(
      'StorageCapacity',
      'boolean',
      'Whether it says how much room there is.',
      ({ spec }) => spec?.storageCapacity ?? false,
    ),
    column(
      'TokenRequests',
      'string',
      'For whom it gets tokens.',
      ({ spec }) => spec?.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>',
    ),
    column(
      'RequiresRepublish',
      'boolean',
      'Whether it is called again and again.',
      ({ spec }) => spec?.requiresRepublish ?? false,
    ),
    column('Modes', 'string', 'Lives of its volumes.', ({ spec }) =>
      orNone(spec?.volumeLifecycleModes?.join(',')),
    ),
    ageColumn,
  ],
};
