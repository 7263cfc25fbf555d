/** The OpenAPI schema of a custom resource. Source: Kubernetes API reference, JSONSchemaProps. */
import {
  additionalSchemaOf,
  itemSchemaOf,
  type JsonSchema,
  schemasIn,
  type ValidationRule,
} from '../semantics/json-schema.ts';
import type { Faults } from './faults.ts';
import { checkMergeTypes } from './schema-lists.ts';
import { fieldAt } from './schema-path.ts';
import { structuralFaults } from './structural-schema.ts';

/** What holds where a schema stands. */
interface Place {
  isRoot?: boolean;
  /** Of TypeMeta or ObjectMeta, of the resource or of one embedded in it. */
  inMeta?: boolean;
  /** Why no default may be given; they may where it is undefined. */
  noDefaults?: string;
}

/** The schema of a version; `hasStatus`: the version has a status subresource, whose schema is taken out of it. */
export function checkVersionSchema(
  schema: JsonSchema,
  hasStatus: boolean,
  field: string,
  faults: Faults,
): void {
  const before = faults.list.length;
  const at = `${field}.openAPIV3Schema`;
  if (hasStatus) checkRootFields(schema, at, faults);
  if (schema.nullable) faults.forbidden(`${at}.nullable`, 'nullable cannot be true at the root');
  const unsupported = [...schemasIn(schema)].map(unsupportedIn).find((name) => name !== undefined);
  if (!unsupported) faults.list.push(...structuralFaults(schema, at));
  checkSchema(schema, { isRoot: true }, at, faults);
  // The walk has named the others, each at its place.
  if (unsupported && faults.list.length === before)
    faults.invalid(at, '', `OpenAPIV3Schema '${unsupported}' is not supported`);
}

function unsupportedIn(schema: JsonSchema): string | undefined {
  if (Array.isArray(schema.items)) return 'items';
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) return 'x-kubernetes-preserve-unknown-fields';
  if (schema.$schema) return 'schema';
  return UNSUPPORTED.find((name) => schema[name] !== undefined);
}

/** In the order in which faults name them. */
const UNSUPPORTED = [
  'id',
  'additionalItems',
  'patternProperties',
  'definitions',
  'dependencies',
  '$ref',
] as const;

/** What may stand at the root beside a status subresource, in Go's spelling as the fault shows it. */
const ROOT_FIELDS =
  'Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations';
const ROOT_NAMES = new Set([
  ...ROOT_FIELDS.split(' ').map((name) => `${name[0]!.toLowerCase()}${name.slice(1)}`),
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
]);

function checkRootFields(schema: JsonSchema, field: string, faults: Faults): void {
  const where = 'at the root of the schema if the status subresource is enabled';
  if (schema.type && schema.type !== 'object')
    faults.invalid(
      `${field}.type`,
      schema.type,
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
    );
  else if (Object.keys(schema).some((name) => !ROOT_NAMES.has(name)))
    faults.invalid(field, schema, `only [${ROOT_FIELDS}] fields are allowed ${where}`);
}

const META_FIELDS = ['metadata', 'kind', 'apiVersion'];

function checkSchema(schema: JsonSchema, place: Place, field: string, faults: Faults): void {
  checkOwn(schema, place, field, faults);
  const { isRoot, ...inside } = place;
  checkAdditionalProperties(schema, inside, field, faults);
  const isResource = isRoot || schema['x-kubernetes-embedded-resource'];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isMeta = isResource && META_FIELDS.includes(name);
    const there: Place = { ...inside, ...(isMeta && { inMeta: true }) };
    if (isMeta && isRoot) there.noDefaults = `in top-level ${name}`;
    checkSchema(property, there, `${field}.properties[${name}]`, faults);
  }
  if (schema.not) checkSchema(schema.not, inside, `${field}.not`, faults);
  for (const junctor of ['allOf', 'oneOf', 'anyOf'] as const)
    for (const [index, each] of (schema[junctor] ?? []).entries())
      checkSchema(each, inside, `${field}.${junctor}[${index}]`, faults);
  const items = itemSchemaOf(schema);
  if (items) checkSchema(items, inside, `${field}.items`, faults);
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    faults.invalid(`${field}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined');
  checkMergeTypes(schema, field, faults);
  for (const [index, rule] of (schema['x-kubernetes-validations'] ?? []).entries())
    checkRule(rule, schema, `${field}.x-kubernetes-validations[${index}]`, faults);
}

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** What a schema says by itself, without those inside. */
function checkOwn(schema: JsonSchema, { inMeta, noDefaults }: Place, field: string, faults: Faults): void {
  const { type } = schema;
  if (type && !TYPES.includes(type)) faults.notSupported(`${field}.type`, type, TYPES);
  if (schema.default !== undefined && noDefaults)
    faults.forbidden(`${field}.default`, `must not be set ${noDefaults}`);
  for (const name of UNSUPPORTED)
    if (schema[name] !== undefined) faults.forbidden(`${field}.${name}`, `${name} is not supported`);
  if (type === 'null')
    faults.forbidden(`${field}.type`, 'type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items))
    faults.forbidden(`${field}.items`, 'items must be a schema object and not an array');
  if (inMeta && schema['x-kubernetes-embedded-resource'])
    faults.forbidden(`${field}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta');
  if (schema.uniqueItems)
    faults.forbidden(
      `${field}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
}

/** A schema describes either a struct or a map. */
function checkAdditionalProperties(schema: JsonSchema, place: Place, field: string, faults: Faults): void {
  const { additionalProperties, properties = {} } = schema;
  if (additionalProperties === undefined) return;
  if (Object.keys(properties).length > 0 && additionalProperties !== true)
    faults.forbidden(
      `${field}.additionalProperties`,
      'additionalProperties and properties are mutual exclusive',
    );
  const others = additionalSchemaOf(schema);
  const noDefaults = 'inside additionalProperties applying to object metadata';
  const there = place.inMeta ? { ...place, noDefaults } : place;
  if (others) checkSchema(others, there, `${field}.additionalProperties`, faults);
}

const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const BREAK = /[\n\r]/;

/** Whether a rule is there and told in words; what its expressions mean is looked at by nobody yet. */
function checkRule(each: ValidationRule, schema: JsonSchema, field: string, faults: Faults): void {
  const { rule = '', message = '', messageExpression = '', reason, fieldPath = '' } = each;
  if (rule.trim() === '') faults.required(`${field}.rule`, 'rule is not specified');
  else if (message !== '' && message.trim() === '')
    faults.invalid(`${field}.message`, message, 'message must be non-empty if specified');
  else if (BREAK.test(message.trim()))
    faults.invalid(`${field}.message`, message, 'message must not contain line breaks');
  else if (BREAK.test(rule.trim()) && message.trim() === '')
    faults.required(`${field}.message`, 'message must be specified if rule contains line breaks');
  if (messageExpression !== '' && messageExpression.trim() === '')
    faults.required(`${field}.messageExpression`, 'messageExpression must be non-empty if specified');
  if (reason !== undefined && !REASONS.includes(reason))
    faults.notSupported(`${field}.reason`, reason, REASONS);
  if (fieldPath === '') return;
  const at = `${field}.fieldPath`;
  if (fieldPath.trim() === '') faults.invalid(at, fieldPath, 'fieldPath must be non-empty if specified');
  if (BREAK.test(fieldPath)) faults.invalid(at, fieldPath, 'fieldPath must not contain line breaks');
  if ('fault' in fieldAt(fieldPath, schema, true))
    faults.invalid(at, fieldPath, 'fieldPath must be a valid path');
}
