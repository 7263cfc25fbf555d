/**
 * The schemas of all built-in types from the generated file. Each type is built when it is first asked for: a server uses
 * a fraction of them. Descriptions live in a file of their own, read only for OpenAPI.
 */
import { readFileSync } from 'node:fs';
import type { Field, GroupVersionKind, Schemas, StructType, ValueType } from './model.ts';
import { fieldOf, parseRow, type Resolver } from './table.ts';

/** Form of generated/schemas.json. Keys of `types`: `core/v1.Pod`; values: the rows of the table. */
export interface SchemaFile {
  version: string;
  packages: Record<string, { name: string; group: string; enums: Record<string, string[]> }>;
  types: Record<string, { kind?: 1; atomic?: 1; rows: string }>;
}

/** Form of generated/descriptions.json: of the type (key '') and of its fields, by full type name. */
export type Descriptions = Record<string, Record<string, string>>;

const SCALAR_STRING: ValueType = { form: 'scalar', scalar: 'string' };
const TYPE_META: Field[] = ['apiVersion', 'kind'].map((name) => ({
  name,
  number: 0,
  value: SCALAR_STRING,
  required: false,
  keepsZero: true,
}));

/** Throws SyntaxError on damaged input. */
export function loadSchemas(json: string | Uint8Array): Schemas {
  const text =
    typeof json === 'string' ? json : Buffer.from(json.buffer, json.byteOffset, json.length).toString();
  return new LoadedSchemas(JSON.parse(text) as SchemaFile);
}

/** Throws SyntaxError on damaged input. */
export function loadDescriptions(json: string | Uint8Array): Descriptions {
  const text =
    typeof json === 'string' ? json : Buffer.from(json.buffer, json.byteOffset, json.length).toString();
  return JSON.parse(text) as Descriptions;
}

/** The schemas from generated/ beside the sources: for tests and running from a checkout. */
export function generatedSchemas(): Schemas {
  return loadSchemas(readFileSync(new URL('../../generated/schemas.json', import.meta.url)));
}

/** The descriptions from generated/ beside the sources. */
export function generatedDescriptions(): Descriptions {
  return loadDescriptions(readFileSync(new URL('../../generated/descriptions.json', import.meta.url)));
}

class LoadedSchemas implements Schemas {
  readonly version: string;
  readonly #file: SchemaFile;
  readonly #shortPackages = new Map<string, string>();
  readonly #kinds = new Map<string, string>();
  readonly #built = new Map<string, StructType>();

  constructor(file: SchemaFile) {
    this.#file = file;
    this.version = file.version;
    for (const [short, { name }] of Object.entries(file.packages)) this.#shortPackages.set(name, short);
    for (const [short, { kind }] of Object.entries(file.types)) {
      if (!kind) continue;
      const gvk = this.#gvkOf(short);
      this.#kinds.set(`${gvk.group}/${gvk.version}/${gvk.kind}`, short);
    }
  }

  type(name: string): StructType {
    const dot = name.lastIndexOf('.');
    const short = this.#shortPackages.get(name.slice(0, dot));
    if (short === undefined) throw new RangeError(`there is no schema package for ${name}`);
    return this.#build(`${short}.${name.slice(dot + 1)}`);
  }

  kind(group: string, version: string, kind: string): StructType | undefined {
    const short = this.#kinds.get(`${group}/${version}/${kind}`);
    return short === undefined ? undefined : this.#build(short);
  }

  names(): string[] {
    return Object.keys(this.#file.types).map((short) => this.#longName(short));
  }

  #longName(short: string): string {
    const { prefix, name } = splitName(short);
    return `${this.#file.packages[prefix]!.name}.${name}`;
  }

  #gvkOf(short: string): GroupVersionKind {
    const { prefix, name } = splitName(short);
    return {
      group: this.#file.packages[prefix]!.group,
      version: prefix.slice(prefix.indexOf('/') + 1),
      kind: name,
    };
  }

  #build(short: string): StructType {
    const known = this.#built.get(short);
    if (known) return known;
    const entry = this.#file.types[short];
    if (!entry) throw new RangeError(`there is no schema of ${short}`);
    const wire =
      entry.rows === ''
        ? []
        : entry.rows.split('\n').map((row) => fieldOf(parseRow(row), this.#resolver(short)));
    const type: StructType = {
      name: this.#longName(short),
      ...(entry.kind && { gvk: this.#gvkOf(short) }),
      ...(entry.atomic && { atomic: true }),
      fields: flatten(entry.kind ? [...TYPE_META, ...wire] : wire),
      wire,
    };
    this.#built.set(short, type);
    return type;
  }

  #resolver(short: string): Resolver {
    const { prefix } = splitName(short);
    const qualified = (name: string) => (name.includes('/') ? name : `${prefix}.${name}`);
    return {
      reference: (name) => new LazyStruct(() => this.#build(qualified(name))),
      enumOf: (name) => {
        const at = splitName(qualified(name));
        return this.#file.packages[at.prefix]?.enums[at.name];
      },
    };
  }
}

/** `core/v1.Pod` → `core/v1`, `Pod`. */
function splitName(short: string): { prefix: string; name: string } {
  const dot = short.lastIndexOf('.');
  return { prefix: short.slice(0, dot), name: short.slice(dot + 1) };
}

function flatten(wire: readonly Field[]): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const field of wire) {
    if (!field.inline || field.value.form !== 'struct') fields.set(field.name, field);
    else for (const [name, inner] of field.value.type.fields) fields.set(name, inner);
  }
  return fields;
}

/** A struct type that is built when first looked at: types may contain themselves. */
class LazyStruct {
  readonly form = 'struct' as const;
  readonly #load: () => StructType;
  #type: StructType | undefined;

  constructor(load: () => StructType) {
    this.#load = load;
  }

  get type(): StructType {
    this.#type ??= this.#load();
    return this.#type;
  }
}
