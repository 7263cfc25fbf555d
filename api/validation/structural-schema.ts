/**
 * A schema is structural when the shape of an object can be read from it without looking at a value: each field is declared
 * outside of allOf, anyOf, oneOf and not, with its type. Source: Kubernetes "Specifying a structural schema".
 */
import type { FieldError } from '../kind.ts';
import { additionalSchemaOf, itemSchemaOf, type JsonSchema } from '../semantics/json-schema.ts';
import { faultText } from './fault-text.ts';
import { Faults, sameData } from './faults.ts';
import { patternFault } from './re2.ts';

type Level = 'root' | 'item' | 'field';

/** What hinders the schema of a resource from being structural, ordered by text. */
export function structuralFaults(schema: JsonSchema, field: string): FieldError[] {
  const faults = new Faults();
  checkInvariants(schema, 'root', field, faults);
  checkComplete(schema, schema, { at: field, from: field }, faults);
  return faults.list.toSorted((a, b) => (faultText(a) < faultText(b) ? -1 : 1));
}

function checkInvariants(schema: JsonSchema, level: Level, field: string, faults: Faults): void {
  const items = itemSchemaOf(schema);
  const others = additionalSchemaOf(schema);
  if (schema.type === 'array' && !items) faults.required(`${field}.items`, 'must be specified');
  if (items) checkInvariants(items, 'item', `${field}.items`, faults);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    checkInvariants(property, 'field', `${field}.properties[${name}]`, faults);
  if (schema.additionalProperties !== undefined && level === 'root')
    faults.forbidden(`${field}.additionalProperties`, 'must not be used at the root');
  if (others) checkInvariants(others, 'field', `${field}.additionalProperties`, faults);
  checkIntOrString(schema, field, faults);
  checkValues(schema, skippedAnyOf(schema), level, field, faults);
  checkType(schema, level, field, faults);
  if (schema['x-kubernetes-embedded-resource']) checkEmbedded(schema, field, faults);
  if (level === 'root' || schema['x-kubernetes-embedded-resource']) checkTypeMeta(schema, field, faults);
  const metadata = schema.properties?.['metadata'];
  if (metadata) checkMetadata(metadata, schema, level, `${field}.properties[metadata]`, faults);
}

const NO_TYPE: Record<Level, string> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function checkType(schema: JsonSchema, level: Level, field: string, faults: Faults): void {
  const { type } = schema;
  const at = `${field}.type`;
  const isEmbedded = schema['x-kubernetes-embedded-resource'];
  const mayBeAny = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  const embedded = 'must be object if x-kubernetes-embedded-resource is true';
  if (isEmbedded && !type) faults.required(at, embedded);
  else if (isEmbedded && type !== 'object') faults.invalid(at, type, embedded);
  else if (!type && !mayBeAny) faults.required(at, NO_TYPE[level]);
  if (level === 'root' && type && type !== 'object') faults.invalid(at, type, 'must be object at the root');
}

function checkIntOrString(schema: JsonSchema, field: string, faults: Faults): void {
  if (!schema['x-kubernetes-int-or-string']) return;
  for (const extension of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const)
    if (schema[extension])
      faults.invalid(`${field}.${extension}`, true, 'must be false if x-kubernetes-int-or-string is true');
}

function checkEmbedded(schema: JsonSchema, field: string, faults: Faults): void {
  if (schema.additionalProperties !== undefined)
    faults.forbidden(
      `${field}.additionalProperties`,
      'must not be used if x-kubernetes-embedded-resource is set',
    );
  if (!schema['x-kubernetes-preserve-unknown-fields'] && !Object.keys(schema.properties ?? {}).length)
    faults.required(
      `${field}.properties`,
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    );
}

function checkTypeMeta({ properties = {} }: JsonSchema, field: string, faults: Faults): void {
  for (const name of ['kind', 'apiVersion']) {
    const property = properties[name];
    if (property && property.type !== 'string')
      faults.invalid(`${field}.properties[${name}].type`, property.type ?? '', 'must be string');
  }
}

/** Metadata is the server's to describe; a resource may only narrow down its names. */
function checkMetadata(
  metadata: JsonSchema,
  holder: JsonSchema,
  level: Level,
  field: string,
  faults: Faults,
): void {
  const isResource = level === 'root' || holder['x-kubernetes-embedded-resource'];
  if (isResource && metadata.type !== 'object')
    faults.invalid(`${field}.type`, metadata.type ?? '', 'must be object');
  if (level !== 'root') return;
  const names = Object.keys(metadata.properties ?? {});
  const onlyNames = names.every((name) => name === 'name' || name === 'generateName');
  const {
    type: _type,
    default: _default,
    example: _example,
    externalDocs: _docs,
    properties,
    ...rest
  } = metadata;
  if (!sameData(rest, {}) || (properties && !onlyNames))
    faults.forbidden(
      field,
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
}

const INT_OR_STRING: JsonSchema[] = [{ type: 'integer' }, { type: 'string' }];

/** Where types may be spelt out in a junctor, as controller tools do for x-kubernetes-int-or-string. */
type Skipped = 'anyOf' | 'allOf' | undefined;

function skippedAnyOf({ anyOf = [], allOf = [] }: JsonSchema): Skipped {
  if (sameData(anyOf, INT_OR_STRING)) return 'anyOf';
  return sameData(allOf[0]?.anyOf, INT_OR_STRING) ? 'allOf' : undefined;
}

function checkValues(
  schema: JsonSchema,
  skipped: Skipped,
  level: Level,
  field: string,
  faults: Faults,
): void {
  const { anyOf = [], allOf = [], oneOf = [], not, pattern } = schema;
  if (skipped !== 'anyOf')
    for (const [index, each] of anyOf.entries())
      checkNested(each, undefined, level, `${field}.anyOf[${index}]`, faults);
  for (const [index, each] of allOf.entries())
    checkNested(
      each,
      skipped === 'allOf' && index === 0 ? 'anyOf' : undefined,
      level,
      `${field}.allOf[${index}]`,
      faults,
    );
  for (const [index, each] of oneOf.entries())
    checkNested(each, undefined, level, `${field}.oneOf[${index}]`, faults);
  if (not) checkNested(not, undefined, level, `${field}.not`, faults);
  const fault = pattern && patternFault(pattern);
  if (fault)
    faults.invalid(`${field}.pattern`, pattern, `must be a valid regular expression, but isn't: ${fault}`);
}

/** What says something of the shape has no place in a junctor: [field, its fault]. */
const SHAPES: [keyof JsonSchema, string][] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

function checkNested(
  schema: JsonSchema,
  skipped: Skipped,
  level: Level,
  field: string,
  faults: Faults,
): void {
  checkValues(schema, skipped, level, field, faults);
  const items = itemSchemaOf(schema);
  if (items) checkNested(items, undefined, level, `${field}.items`, faults);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    checkNested(property, undefined, 'field', `${field}.properties[${name}]`, faults);
  for (const [name, fault] of SHAPES)
    if (schema[name] !== undefined) faults.forbidden(`${field}.${name}`, fault);
  if (schema.properties?.['metadata'])
    faults.forbidden(`${field}.properties[metadata]`, 'must not be specified in a nested context');
}

/** Where a schema is declared, and where it is said something about in a junctor. */
interface Places {
  at: string;
  from: string;
}

/** Whatever a junctor speaks of is declared outside of it. */
function checkComplete(value: JsonSchema, declared: JsonSchema, { at, from }: Places, faults: Faults): void {
  if (value.not) checkDeclared(value.not, declared, { at, from: `${from}.not` }, faults);
  for (const junctor of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [index, each] of (value[junctor] ?? []).entries())
      checkDeclared(each, declared, { at, from: `${from}.${junctor}[${index}]` }, faults);
}

function checkDeclared(
  value: JsonSchema,
  declared: JsonSchema | undefined,
  places: Places,
  faults: Faults,
): void {
  const { at, from } = places;
  if (!declared) {
    faults.required(at, `because it is defined in ${from}`);
    return;
  }
  checkComplete(value, declared, places, faults);
  const inside = (name: string): Places => ({ at: `${at}.${name}`, from: `${from}.${name}` });
  const items = itemSchemaOf(value);
  if (items) checkDeclared(items, itemSchemaOf(declared), inside('items'), faults);
  for (const [name, property] of Object.entries(value.properties ?? {}))
    checkDeclared(property, declared.properties?.[name], inside(`properties[${name}]`), faults);
}
