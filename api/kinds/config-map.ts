import type { Kind } from '../kind.ts';
import type { ConfigMap } from '../objects.ts';
import { checkConfigMap, checkConfigMapUpdate } from '../validation/configuration.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

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
  strategy: strategyOf<ConfigMap>({
    namespaced: true,
    name: isDnsSubdomain,
    check: checkConfigMap,
    checkUpdate: checkConfigMapUpdate,
  }),
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
