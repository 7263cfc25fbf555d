/** Definitions of custom resources. Source: Kubernetes API reference, CustomResourceDefinitionSpec. */
import type { CustomResourceDefinition } from '../objects.ts';
import { type JsonSchema, schemasIn } from '../semantics/json-schema.ts';
import { checkConversion } from './custom-resource-conversion.ts';
import { checkColumn, checkSelectableFields, checkSubresources } from './custom-resource-version.ts';
import { type Faults, sameData } from './faults.ts';
import { dns1035LabelFaults, dnsSubdomainFaults } from './names.ts';
import { checkVersionSchema } from './open-api-schema.ts';

export type Spec = NonNullable<CustomResourceDefinition['spec']>;
export type Version = Spec['versions'][number];
type Names = Spec['names'];

/**
 * Faults name what all versions have in common at the top of the spec, where it stood in the first version of the API and
 * still stands inside Kubernetes: `spec.validation.openAPIV3Schema` of a definition with one version.
 */
export function checkDefinition(definition: CustomResourceDefinition, faults: Faults): void {
  const { metadata, spec, status } = definition;
  const { group = '', names = {} as Names } = spec ?? ({} as Spec);
  if (metadata.name !== `${names.plural ?? ''}.${group}`)
    faults.invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  checkSpec(spec ?? ({} as Spec), faults);
  checkNames(status?.acceptedNames ?? ({} as Names), 'status.acceptedNames', faults);
  checkStoredVersions(definition, faults);
  checkApproval(definition, faults);
  if (spec?.preserveUnknownFields)
    faults.invalid(
      'spec.preserveUnknownFields',
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    );
}

const SCOPES = ['Cluster', 'Namespaced'];

function checkSpec(spec: Spec, faults: Faults): void {
  const { group = '', scope, versions = [], names = {} as Names, conversion } = spec;
  if (!group) faults.required('spec.group');
  else if (dnsSubdomainFaults(group).length > 0)
    faults.invalid('spec.group', group, dnsSubdomainFaults(group).join(','));
  else if (!group.includes('.'))
    faults.invalid('spec.group', group, 'should be a domain with at least one dot');
  faults.oneOf('spec.scope', scope, SCOPES);
  for (const [index, version] of versions.entries())
    if (!schemaOf(version))
      faults.required(`spec.versions[${index}].schema.openAPIV3Schema`, 'schemas are required');
  if (spec.preserveUnknownFields && versions.some(hasDefaults))
    faults.invalid(
      'spec.preserveUnknownFields',
      true,
      'must be false in order to use defaults in the schema',
    );
  checkVersions(spec, faults);
  for (const part of ['plural', 'singular', 'kind', 'listKind'] as const)
    if (!names[part]) faults.required(`spec.names.${part}`);
  checkNames(names, 'spec.names', faults);
  checkCommon(versions, faults);
  if (spec.preserveUnknownFields && conversion && conversion.strategy !== 'None')
    faults.invalid(
      'spec.conversion.strategy',
      conversion.strategy,
      'must be None if spec.preserveUnknownFields is true',
    );
  if (conversion) checkConversion(conversion, faults);
}

export function schemaOf(version: Version): JsonSchema | undefined {
  return version.schema?.openAPIV3Schema as JsonSchema | undefined;
}

function hasDefaults(version: Version): boolean {
  const schema = schemaOf(version);
  return schema !== undefined && [...schemasIn(schema)].some((each) => each.default !== undefined);
}

const PARTS = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const;

/** What is the same in all versions. */
function commonParts(versions: readonly Version[]): Set<(typeof PARTS)[number]> {
  const [first] = versions;
  return new Set(PARTS.filter((part) => versions.every((each) => sameData(each[part], first?.[part]))));
}

function checkVersions({ versions = [] }: Spec, faults: Faults): void {
  const common = commonParts(versions);
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`;
    checkVersionName(version.name, `${field}.name`, faults);
    checkDeprecation(version, `${field}.deprecationWarning`, faults);
    const schema = schemaOf(version);
    const { subresources, additionalPrinterColumns = [], selectableFields = [] } = version;
    const hasStatus = subresources?.status !== undefined;
    if (schema && !common.has('schema')) checkVersionSchema(schema, hasStatus, `${field}.schema`, faults);
    if (!common.has('subresources')) checkSubresources(subresources, `${field}.subresources`, faults);
    if (!common.has('additionalPrinterColumns'))
      for (const [at, column] of additionalPrinterColumns.entries())
        checkColumn(column, `${field}.additionalPrinterColumns[${at}]`, faults);
    if (!common.has('selectableFields'))
      checkSelectableFields(selectableFields, schema, `${field}.selectableFields`, faults);
  }
  const names = versions.map(({ name }) => name);
  if (new Set(names).size < names.length)
    faults.invalid('spec.versions', versions, 'must contain unique version names');
  if (versions.filter(({ storage }) => storage).length !== 1)
    faults.invalid('spec.versions', versions, 'must have exactly one version marked as storage version');
  // The name of the first version was a field of its own.
  if (names[0]) checkVersionName(names[0], 'spec.version', faults);
}

function checkVersionName(name = '', field: string, faults: Faults): void {
  const details = dns1035LabelFaults(name);
  if (details.length > 0) faults.invalid(field, name, details.join(','));
}

const MAX_WARNING = 256;

function checkDeprecation(version: Version, field: string, faults: Faults): void {
  const { deprecated, deprecationWarning: warning } = version;
  if (warning === undefined) return;
  if (!deprecated) faults.invalid(field, warning, 'can only be set for deprecated versions');
  else if (warning.length > MAX_WARNING)
    faults.invalid(field, warning, `must be <= ${MAX_WARNING} characters long`);
  const at = warning.search(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u);
  if (deprecated && at >= 0)
    faults.invalid(
      field,
      warning,
      `must only contain printable UTF-8 characters; non-printable character found at index ${at}`,
    );
}

/** What all versions have in common, once. */
function checkCommon(versions: readonly Version[], faults: Faults): void {
  const [first] = versions;
  if (!first) return;
  const common = commonParts(versions);
  const schema = schemaOf(first);
  const hasStatus = versions.some(({ subresources }) => subresources?.status !== undefined);
  if (schema && common.has('schema')) checkVersionSchema(schema, hasStatus, 'spec.validation', faults);
  if (common.has('subresources')) checkSubresources(first.subresources, 'spec.subresources', faults);
  if (common.has('additionalPrinterColumns'))
    for (const [at, column] of (first.additionalPrinterColumns ?? []).entries())
      checkColumn(column, `spec.additionalPrinterColumns[${at}]`, faults);
  if (common.has('selectableFields'))
    checkSelectableFields(first.selectableFields ?? [], schema, 'spec.selectableFields', faults);
}

function checkNames(names: Names, field: string, faults: Faults): void {
  const { plural, singular, kind, listKind, shortNames = [], categories = [] } = names;
  checkName(plural, `${field}.plural`, faults);
  checkName(singular, `${field}.singular`, faults);
  checkKindName(kind, `${field}.kind`, faults);
  checkKindName(listKind, `${field}.listKind`, faults);
  for (const [index, name] of shortNames.entries()) checkName(name, `${field}.shortNames[${index}]`, faults);
  if (kind && kind === listKind)
    faults.invalid(`${field}.listKind`, listKind, 'kind and listKind may not be the same');
  for (const [index, name] of categories.entries()) checkName(name, `${field}.categories[${index}]`, faults);
}

function checkName(name: string | undefined, field: string, faults: Faults): void {
  const details = name ? dns1035LabelFaults(name) : [];
  if (details.length > 0) faults.invalid(field, name, details.join(','));
}

function checkKindName(name: string | undefined, field: string, faults: Faults): void {
  const details = name ? dns1035LabelFaults(name.toLowerCase()) : [];
  if (details.length > 0)
    faults.invalid(field, name, `may have mixed case, but should otherwise match: ${details.join(',')}`);
}

/** Nothing that may still be stored can be forgotten. */
function checkStoredVersions({ spec, status }: CustomResourceDefinition, faults: Faults): void {
  const stored = status?.storedVersions ?? [];
  const field = 'status.storedVersions';
  if (stored.length === 0) {
    faults.invalid(field, stored, 'must have at least one stored version');
    return;
  }
  const versions = spec?.versions ?? [];
  for (const { name, storage } of versions)
    if (storage && !stored.includes(name))
      faults.invalid(field, stored, `must have the storage version ${name}`);
  for (const [index, name] of stored.entries())
    if (!versions.some((version) => version.name === name))
      faults.invalid(
        `${field}[${index}]`,
        name,
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
      );
}

const APPROVED = 'api-approved.kubernetes.io';
const PROTECTED = /(^|\.)(k8s|kubernetes)\.io$/;

/** Groups of Kubernetes itself are for APIs that its community has approved. */
function checkApproval({ metadata, spec }: CustomResourceDefinition, faults: Faults): void {
  if (!PROTECTED.test(spec?.group ?? '')) return;
  const approval = metadata.annotations?.[APPROVED] ?? '';
  const field = `metadata.annotations[${APPROVED}]`;
  const must = `protected groups must have approval annotation "${APPROVED}"`;
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (approval === '') faults.required(field, `${must}, ${see}`);
  else if (!approval.startsWith('unapproved') && !(URL.canParse(approval) && /^\w+:\/\/./.test(approval)))
    faults.invalid(
      field,
      approval,
      `${must} with either a URL or a reason starting with "unapproved", ${see}`,
    );
}

/** What resources are found by stays once they may be stored. */
export function checkDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition,
  faults: Faults,
): void {
  const [now, before] = [definition.spec, old.spec];
  const isEstablished = (old.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  );
  if (isEstablished) {
    faults.immutable('spec.scope', now?.scope, before?.scope);
    faults.immutable('spec.names.kind', now?.names?.kind, before?.names?.kind);
  }
  faults.immutable('spec.group', now?.group, before?.group);
  faults.immutable('spec.names.plural', now?.names?.plural, before?.names?.plural);
}

export function checkDefinitionStatus({ status }: CustomResourceDefinition, faults: Faults): void {
  checkNames(status?.acceptedNames ?? ({} as Names), 'status.acceptedNames', faults);
}
