/** How lists and maps of custom resources merge. Source: Kubernetes API reference, x-kubernetes-list-type and -map-type. */
import { itemSchemaOf, type JsonSchema } from '../semantics/json-schema.ts';
import type { Faults } from './faults.ts';

const LIST_TYPE = 'x-kubernetes-list-type';
const MAP_TYPE = 'x-kubernetes-map-type';
const MAP_KEYS = 'x-kubernetes-list-map-keys';

export function checkMergeTypes(schema: JsonSchema, field: string, faults: Faults): void {
  const listType = schema[LIST_TYPE];
  const mapType = schema[MAP_TYPE];
  if (mapType !== undefined) {
    checkTypeIs(schema, 'object', MAP_TYPE, field, faults);
    if (!MAP_TYPES.includes(mapType)) faults.notSupported(`${field}.${MAP_TYPE}`, mapType, MAP_TYPES);
  }
  if (listType !== undefined) {
    checkTypeIs(schema, 'array', LIST_TYPE, field, faults);
    if (schema.type === 'array' && listType === 'set') checkSet(schema, field, faults);
    if (!LIST_TYPES.includes(listType)) faults.notSupported(`${field}.${LIST_TYPE}`, listType, LIST_TYPES);
  }
  checkMapKeys(schema, field, faults);
  if (listType === 'map') checkMap(schema, field, faults);
  if (listType === 'map' || listType === 'set') checkItemsNotNull(schema, listType, field, faults);
}

const MAP_TYPES = ['atomic', 'granular'];
const LIST_TYPES = ['atomic', 'set', 'map'];

function checkTypeIs(
  { type }: JsonSchema,
  wanted: string,
  extension: string,
  field: string,
  faults: Faults,
): void {
  const detail = `must be ${wanted} if ${extension} is specified`;
  if (!type) faults.required(`${field}.type`, detail);
  else if (type !== wanted) faults.invalid(`${field}.type`, type, detail);
}

/** Items of a set are compared as a whole. */
function checkSet(schema: JsonSchema, field: string, faults: Faults): void {
  const items = itemSchemaOf(schema);
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const [listType, mapType] = [items?.[LIST_TYPE], items?.[MAP_TYPE]];
  if (items?.type === 'array' && listType !== undefined && listType !== 'atomic')
    faults.invalid(`${field}.items.${LIST_TYPE}`, listType, detail);
  if (items?.type === 'object' && mapType !== 'atomic')
    faults.invalid(`${field}.items.${MAP_TYPE}`, listType, detail);
}

function checkMapKeys(schema: JsonSchema, field: string, faults: Faults): void {
  const listType = schema[LIST_TYPE];
  if (!schema[MAP_KEYS]?.length || listType === 'map') return;
  const detail = `must be map if ${MAP_KEYS} is non-empty`;
  if (listType === undefined) faults.required(`${field}.${LIST_TYPE}`, detail);
  else faults.invalid(`${field}.${LIST_TYPE}`, listType, detail);
}

function checkMap(schema: JsonSchema, field: string, faults: Faults): void {
  const keys = schema[MAP_KEYS] ?? [];
  const at = `${field}.items`;
  if (keys.length === 0) faults.required(`${field}.${MAP_KEYS}`, `must not be empty if ${LIST_TYPE} is map`);
  if (!schema.items) faults.required(at, `must have a schema if ${LIST_TYPE} is map`);
  const items = itemSchemaOf(schema);
  if (schema.items && !items)
    faults.invalid(at, schema.items, `must only have a single schema if ${LIST_TYPE} is map`);
  if (!items) return;
  if (items.type !== 'object') {
    const detail = `must be object if parent array's ${LIST_TYPE} is map`;
    faults.invalid(`${at}.type`, items.type ?? '', detail);
    return;
  }
  for (const [index, key] of keys.entries()) {
    const property = items.properties?.[key];
    const type = property?.type ?? '';
    if (!property)
      faults.invalid(`${field}.${MAP_KEYS}`, keys, 'entries must all be names of item properties');
    if (type === 'array' || type === 'object') {
      const detail = `must be a scalar type if parent array's ${LIST_TYPE} is map`;
      faults.invalid(`${at}.properties[${key}].type`, items.type, detail);
    }
    if (keys.indexOf(key) < index)
      faults.invalid(`${field}.${MAP_KEYS}`, keys, 'must not contain duplicate entries');
  }
}

/** What tells the items of a list apart is there in each. */
function checkItemsNotNull(schema: JsonSchema, listType: string, field: string, faults: Faults): void {
  const items = itemSchemaOf(schema);
  if (!items) return;
  if (items.nullable)
    faults.forbidden(`${field}.items.nullable`, `cannot be nullable when ${LIST_TYPE} is ${listType}`);
  if (listType !== 'map') return;
  for (const key of schema[MAP_KEYS] ?? []) {
    const property = items.properties?.[key];
    const at = `${field}.items.properties[${key}]`;
    const why = `this property is in ${MAP_KEYS}, so it`;
    if (property && property.default === undefined && !items.required?.includes(key))
      faults.required(`${at}.default`, `${why} must have a default or be a required property`);
    if (property?.nullable) faults.forbidden(`${at}.nullable`, `${why} cannot be nullable`);
  }
}
