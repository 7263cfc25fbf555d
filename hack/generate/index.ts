/**
 * Joins the tables of the wire protocol (api/tables) with the descriptions in @kubernetes/client-node into
 * generated/schemas.json (structure, read by every server) and generated/descriptions.json (read for OpenAPI only), and makes
 * the OpenAPI documents of all kinds from them.
 * Fails when a table and the package disagree about the fields of a type.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Descriptions, loadSchemas, type SchemaFile } from '#machinery/schema/load.ts';
import type { ValueType } from '#machinery/schema/model.ts';
import { parseRow, parseTable, rowText, type Table } from '#machinery/schema/table.ts';
import { modelOf, packageApiVersion } from './models.ts';
import { writeOpenApi } from './openapi.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Generated {
  schemas: SchemaFile;
  descriptions: Descriptions;
  /** Where a table and the package disagree. */
  faults: string[];
}

/** Reads the tables and the package; writes nothing. */
export function generate(root = ROOT): Generated {
  const folder = join(root, 'api/tables');
  const models = join(root, 'node_modules/@kubernetes/client-node/dist/gen/models');
  const result: Generated = {
    schemas: { version: packageApiVersion(models), packages: {}, types: {} },
    descriptions: {},
    faults: [],
  };
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.tsv')) continue;
    addTable(result, file, parseTable(readFileSync(join(folder, file), 'utf8'), file), models);
  }
  result.faults.push(...danglingTypes(result.schemas));
  return result;
}

function addTable(
  { schemas, descriptions, faults }: Generated,
  file: string,
  table: Table,
  models: string,
): void {
  const short = file.replace(/\.tsv$/, '').replace(/-([^-]*)$/, '/$1');
  schemas.packages[short] = { name: table.package, group: table.group, enums: table.enums };
  for (const type of table.types) {
    const rows = type.rows.map((row) => row.replace(/\ttext:[^\t]*/, ''));
    schemas.types[`${short}.${type.name}`] = {
      ...(type.isKind && { kind: 1 as const }),
      ...(type.atomic && { atomic: 1 as const }),
      rows: rows.join('\n'),
    };
    const model = modelOf(models, short, type.name);
    const own: [string, string | undefined][] = [['', type.text]];
    for (const row of type.rows) own.push([parseRow(row).name, rowText(row)]);
    const texts = { ...model?.descriptions };
    for (const [name, text] of own) if (text !== undefined) texts[name] = text;
    if (Object.keys(texts).length) descriptions[`${table.package}.${type.name}`] = texts;
    if (model) faults.push(...disagreements(`${file}: ${type.name}`, type.rows, model.required, type.isKind));
  }
}

/** Types that are named but described nowhere: loading builds each, so that they show. */
function danglingTypes(file: SchemaFile): string[] {
  const schemas = loadSchemas(JSON.stringify(file));
  const found: string[] = [];
  for (const name of schemas.names())
    try {
      for (const { value } of schemas.type(name).wire) touch(value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      found.push(`${name}: ${error.message}`);
    }
  return found;
}

function touch(value: ValueType): void {
  if (value.form === 'list' || value.form === 'map') touch(value.of);
  else if (value.form === 'struct') value.type.name.trim();
}

function disagreements(
  where: string,
  rows: string[],
  required: Map<string, boolean>,
  isKind: boolean,
): string[] {
  const found: string[] = [];
  const parsed = rows.map(parseRow);
  if (parsed.some((row) => row.presence === '<')) return found;
  for (const row of parsed) {
    const expected = required.get(row.name);
    if (expected === undefined) found.push(`${where}.${row.name} is not in the package`);
    else if (expected !== row.presence.startsWith('!'))
      found.push(`${where}.${row.name} is ${expected ? 'required' : 'optional'} in the package`);
  }
  const names = new Set(parsed.map((row) => row.name));
  for (const name of required.keys())
    if (!names.has(name) && !(isKind && (name === 'apiVersion' || name === 'kind')))
      found.push(`${where}.${name} is in the package only`);
  return found;
}

/** Generates and writes both files. */
export function writeGenerated(root = ROOT): string[] {
  const { schemas, descriptions, faults } = generate(root);
  const folder = join(root, 'generated');
  mkdirSync(folder, { recursive: true });
  replaceFile(join(folder, 'descriptions.json'), JSON.stringify(descriptions));
  replaceFile(join(folder, 'schemas.json'), JSON.stringify(schemas));
  return faults;
}

/** In one step: tests may generate at the same time. */
function replaceFile(path: string, data: string | Uint8Array): void {
  const next = `${path}.${process.pid}`;
  writeFileSync(next, data);
  renameSync(next, path);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const faults = writeGenerated();
  writeOpenApi(join(ROOT, 'generated'), replaceFile);
  for (const fault of faults) console.error(fault);
  if (faults.length) process.exitCode = 1;
}
