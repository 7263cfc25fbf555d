import type { Kind } from '../kind.ts';
import type { CustomResourceDefinition } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/**
 * Read-only while nothing makes kinds of it: clients list the definitions to tell a misspelt kind from one that a
 * definition in the same file will bring (kubectl create does), and are told that there are none.
 */
export const CustomResourceDefinitionKind: Kind<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  verbs: ['get', 'list', 'watch'],
  schema: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  strategy: strategyOf<CustomResourceDefinition>({ namespaced: false, name: isDnsSubdomain }),
  columns: [
    nameColumn,
    column(
      'Created At',
      'date',
      'When it was made.',
      (definition) => definition.metadata.creationTimestamp ?? null,
    ),
  ],
};
