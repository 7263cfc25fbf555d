/** Parts of a version of a custom resource beside its schema. Source: Kubernetes API reference, CustomResourceDefinitionVersion. */
import type { JsonSchema } from '../semantics/json-schema.ts';
import type { Version } from './custom-resource-definition.ts';
import type { Faults } from './faults.ts';
import { fieldAt } from './schema-path.ts';

type Column = NonNullable<Version['additionalPrinterColumns']>[number];

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

export function checkColumn(column: Column, field: string, faults: Faults): void {
  const { name, type, format, jsonPath = '' } = column;
  if (!name) faults.required(`${field}.name`);
  const types = `must be one of ${COLUMN_TYPES.join(',')}`;
  if (!type) faults.required(`${field}.type`, types);
  else if (!COLUMN_TYPES.includes(type)) faults.invalid(`${field}.type`, type, types);
  if (format && !COLUMN_FORMATS.includes(format))
    faults.invalid(`${field}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`);
  checkSimplePath(jsonPath, `${field}.JSONPath`, faults);
}

/** False when there is nothing more to say of it. */
function checkSimplePath(path: string, field: string, faults: Faults): boolean {
  if (path === '') faults.required(field);
  else if (path.startsWith('.')) return true;
  else faults.invalid(field, path, 'must be a simple json path starting with .');
  return false;
}

export function checkSubresources(
  subresources: Version['subresources'],
  field: string,
  faults: Faults,
): void {
  const { scale } = subresources ?? {};
  if (!scale) return;
  const { specReplicasPath = '', statusReplicasPath = '', labelSelectorPath = '' } = scale;
  const wanted = (name: string, path: string, under: string[], where: string) => {
    const at = `${field}.scale.${name}`;
    if (checkSimplePath(path, at, faults) && !under.some((each) => path.startsWith(each)))
      faults.invalid(at, path, `should be a json path under ${where}`);
  };
  wanted('specReplicasPath', specReplicasPath, ['.spec.'], '.spec');
  wanted('statusReplicasPath', statusReplicasPath, ['.status.'], '.status');
  if (labelSelectorPath)
    wanted('labelSelectorPath', labelSelectorPath, ['.spec.', '.status.'], 'either .spec or .status');
}

const MAX_SELECTABLE = 8;
const SELECTABLE_TYPES = ['string', 'boolean', 'integer'];

export function checkSelectableFields(
  fields: { jsonPath: string }[],
  schema: JsonSchema | undefined,
  field: string,
  faults: Faults,
): void {
  if (fields.length === 0) return;
  if (!schema) {
    faults.invalid(field, '', 'selectableFields may only be set when validations.schema is included');
    return;
  }
  const paths = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries())
    checkSelectable(jsonPath ?? '', schema, paths, `${field}[${index}].jsonPath`, faults);
  if (paths.size > MAX_SELECTABLE) faults.tooMany(field, paths.size, MAX_SELECTABLE);
}

/** Adds a sound path to `paths`. */
function checkSelectable(
  path: string,
  schema: JsonSchema,
  paths: Set<string>,
  at: string,
  faults: Faults,
): void {
  if (path === '') {
    faults.required(at);
    return;
  }
  const found = fieldAt(path, schema, false);
  if ('fault' in found) {
    faults.invalid(at, path, `is an invalid path: ${found.fault}`);
    return;
  }
  if (found.names[0] === 'metadata') faults.invalid(at, path, 'must not point to fields in metadata');
  if (!SELECTABLE_TYPES.includes(found.schema.type ?? ''))
    faults.invalid(
      at,
      path,
      'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
    );
  const name = found.names.join('.');
  if (paths.has(name)) faults.duplicate(at, path);
  paths.add(name);
}
