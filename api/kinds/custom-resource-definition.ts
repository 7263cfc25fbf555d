import type { Kind } from '../kind.ts';
import type { CustomResourceDefinition } from '../objects.ts';
import {
  checkDefinition,
  checkDefinitionStatus,
  checkDefinitionUpdate,
} from '../validation/custom-resource-definition.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

const HTTPS_PORT = 443;

/** A kind that users bring. No custom resources are served yet. */
export const CustomResourceDefinitionKind: Kind<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  subresources: { status: true },
  strategy: strategyOf<CustomResourceDefinition>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults: defaultDefinition,
    prepareForCreate(definition) {
      definition.status = { acceptedNames: { plural: '', kind: '' }, storedVersions: [] };
      noteStorageVersion(definition);
    },
    prepareForUpdate: noteStorageVersion,
    check: checkDefinition,
    checkUpdate: checkDefinitionUpdate,
    checkStatus: (definition, _old, faults) => checkDefinitionStatus(definition, faults),
  }),
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

function defaultDefinition(definition: CustomResourceDefinition): void {
  const { spec } = definition;
  if (!spec) return;
  const { names } = spec;
  if (names?.kind) {
    names.singular ||= names.kind.toLowerCase();
    names.listKind ||= `${names.kind}List`;
  }
  spec.conversion ??= { strategy: 'None' };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service) service.port ??= HTTPS_PORT;
  definition.status ??= {};
  if (!definition.status.storedVersions?.length) noteStorageVersion(definition);
}

/** Whatever has been the storage version may have been stored. */
function noteStorageVersion(definition: CustomResourceDefinition): void {
  const storage = definition.spec?.versions?.find((version) => version.storage)?.name;
  definition.status ??= {};
  const stored = definition.status.storedVersions ?? [];
  if (storage && !stored.includes(storage)) definition.status.storedVersions = [...stored, storage];
}
