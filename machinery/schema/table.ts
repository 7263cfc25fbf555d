/** Reads the tables of types (api/tables/README.md tells their form). Used by the generator and when a type is first needed. */
import type { Field, ListSemantics, PatchStrategy, Scalar, UnionOther, ValueType } from './model.ts';

/** A file of the tables, split by type. */
export interface Table {
  /** `io.k8s.api.core.v1` */
  package: string;
  group: string;
  version: string;
  enums: Record<string, string[]>;
  types: TableType[];
}

export interface TableType {
  name: string;
  isKind: boolean;
  atomic: boolean;
  text?: string;
  rows: string[];
}

/** Faults of a table: they are programming errors and stop the generator. */
class TableError extends Error {
  override readonly name = 'TableError';
}

export function parseTable(text: string, file: string): Table {
  const table: Table = { package: '', group: '', version: '', enums: {}, types: [] };
  for (const [at, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('\t')) {
      const last = table.types.at(-1);
      if (!last) throw new TableError(`${file}:${at + 1}: a field before the first type`);
      last.rows.push(line.slice(1));
      continue;
    }
    const [head, rest] = split(line, '\t');
    const [word, name] = split(head, ' ');
    if (word === 'package' || word === 'version') table[word] = name;
    else if (word === 'group') table.group = name === '""' ? '' : name;
    else if (word === 'enum') table.enums[name] = rest.split('|');
    else if (word === 'kind' || word === 'type')
      table.types.push(typeOf(name, word === 'kind', rest.split('\t')));
    else throw new TableError(`${file}:${at + 1}: cannot read "${line}"`);
  }
  if (!table.package || !table.version) throw new TableError(`${file}: package or version is missing`);
  return table;
}

function typeOf(name: string, isKind: boolean, attributes: string[]): TableType {
  const text = attributes.find((attribute) => attribute.startsWith('text:'));
  return {
    name,
    isKind,
    atomic: attributes.includes('atomic'),
    rows: [],
    ...(text && { text: textOf(text) }),
  };
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function textOf(attribute: string): string {
  return attribute.replace(/^text:/, '');
}

/** What a row says, with types still by name. */
export interface Row {
  name: string;
  number: number;
  type: string;
  presence: string;
  attributes: string[];
}

export function parseRow(row: string): Row {
  const [name, number, type, presence, ...attributes] = row.split('\t');
  if (!name || !type || !presence) throw new TableError(`cannot read the row "${row}"`);
  return { name, number: Number(number), type, presence, attributes };
}

/** The description in a row, if it carries one. */
export function rowText(row: string): string | undefined {
  const found = parseRow(row).attributes.find((attribute) => attribute.startsWith('text:'));
  return found && textOf(found);
}

const SCALARS: Record<string, Scalar> = {
  string: 'string',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
  double: 'double',
  bytes: 'bytes',
  Time: 'time',
  MicroTime: 'microTime',
  Duration: 'duration',
  Quantity: 'quantity',
  IntOrString: 'intOrString',
  RawExtension: 'object',
  FieldsV1: 'fields',
  JSON: 'json',
};
const UNIONS: Record<string, UnionOther> = {
  JSONSchemaPropsOrArray: 'schemas',
  JSONSchemaPropsOrBool: 'bool',
  JSONSchemaPropsOrStringArray: 'strings',
};

/** How names in a row become values: `reference` gives a struct by its name in the table. */
export interface Resolver {
  reference(name: string): ValueType & { form: 'struct' };
  enumOf(name: string): readonly string[] | undefined;
}

export function fieldOf(row: Row, resolver: Resolver): Field {
  const as = attribute(row, 'as');
  const values = as === undefined ? undefined : resolver.enumOf(as);
  const patch = attribute(row, 'patch')?.split(':');
  const fallback = attribute(row, 'default');
  const list = attribute(row, 'list');
  return {
    name: row.name,
    number: row.number,
    value: valueTypeOf(row.type, resolver),
    required: row.presence.startsWith('!'),
    keepsZero: /[!*0]/.test(row.presence),
    ...(row.presence.includes('*') && { pointer: true }),
    ...(patch && {
      patch: {
        strategies: patch[0]!.split(',') as PatchStrategy[],
        ...(patch[1] !== undefined && { mergeKey: patch[1] }),
      },
    }),
    ...(list !== undefined && { list: listOf(list) }),
    ...((row.attributes.includes('map:atomic') || row.attributes.includes('struct:atomic')) && {
      atomic: true,
    }),
    ...(as !== undefined && { as: as.includes('/') ? as.slice(as.indexOf('/') + 1) : `v1.${as}` }),
    ...(values && { enum: values }),
    ...(fallback !== undefined && { default: JSON.parse(fallback) as unknown }),
    ...(row.presence === '<' && { inline: true }),
  };
}

function attribute(row: Row, name: string): string | undefined {
  const prefix = `${name}:`;
  return row.attributes.find((found) => found.startsWith(prefix))?.slice(prefix.length);
}

function listOf(text: string): ListSemantics {
  const [type, keys] = split(text, ':');
  if (type === 'map') return { type, keys: keys.split(',') };
  if (type === 'set' || type === 'atomic') return { type };
  throw new TableError(`"${type}" is no list type`);
}

function valueTypeOf(type: string, resolver: Resolver): ValueType {
  if (type === '[[string]]') return { form: 'list', of: { form: 'scalar', scalar: 'string' }, wrapped: true };
  if (type.startsWith('[]')) return { form: 'list', of: valueTypeOf(type.slice(2), resolver) };
  if (type.startsWith('map[string]')) {
    const rest = type.slice('map[string]'.length);
    const of = valueTypeOf(rest, resolver);
    // A map of lists carries each list in a message.
    return { form: 'map', of: of.form === 'list' ? { ...of, wrapped: true } : of };
  }
  const scalar = Object.hasOwn(SCALARS, type) ? SCALARS[type] : undefined;
  if (scalar) return { form: 'scalar', scalar };
  const other = Object.hasOwn(UNIONS, type) ? UNIONS[type] : undefined;
  if (!other) return resolver.reference(type);
  const schema = resolver.reference('JSONSchemaProps');
  return {
    form: 'union',
    other,
    get type() {
      return schema.type;
    },
  };
}
