import type { Kind } from '../kind.ts';
import type { ConfigMap } from '../objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';

/** Configuration as keys and values, for env variables and files. */
export const ConfigMapKind: Kind<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ConfigMap',
  strategy: { validate: () => [] },
  columns: [
    nameColumn,
    column(
      'Data',
      'string',
      'How many keys there are.',
      (map) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length,
    ),
    ageColumn,
  ],
};
