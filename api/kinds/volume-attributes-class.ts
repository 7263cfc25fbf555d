import type { Kind } from '../kind.ts';
import type { VolumeAttributesClass } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkVolumeAttributesClass, checkVolumeAttributesClassUpdate } from '../validation/storage.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Attributes of volumes that can change while they are used, by name. */
export const VolumeAttributesClassKind: Kind<VolumeAttributesClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  singular: 'volumeattributesclass',
  shortNames: ['vac'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.VolumeAttributesClass',
  strategy: strategyOf<VolumeAttributesClass>({
    namespaced: false,
    name: isDnsSubdomain,
    check: checkVolumeAttributesClass,
    checkUpdate: checkVolumeAttributesClassUpdate,
  }),
  columns: [
    nameColumn,
    column('DriverName', 'string', 'The driver that knows them.', ({ driverName }) => driverName ?? ''),
    ageColumn,
  ],
};
