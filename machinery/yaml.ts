/**
 * YAML as kubectl reads and writes it: version 1.1 for yes/no, octal numbers and merge keys; no timestamps, no base-60
 * numbers. Input is bounded in size, depth and in what its aliases expand to. Source: YAML 1.1; sigs.k8s.io/yaml.
 */
import { defineScalarTag, dump, loadAll, NOT_RESOLVED, YAML11_SCHEMA, YAMLException } from 'js-yaml';
import { isObject, type JsonObject, setMember } from './schema/model.ts';

/** YAML that cannot be read; the message starts with file:line:column as far as they are known. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly file: string | undefined;
  /** From 1. */
  readonly line: number | undefined;
  readonly column: number | undefined;

  constructor(reason: string, at: { file?: string | undefined; line?: number; column?: number }) {
    const place = [at.file, at.line, at.column].filter((part) => part !== undefined).join(':');
    super(place ? `${place}: ${reason}` : reason);
    this.file = at.file;
    this.line = at.line;
    this.column = at.column;
  }
}

export interface YamlOptions {
  /** For messages. */
  file?: string;
  /** Longer input is refused; in characters. */
  maxLength?: number;
}

const MAX_LENGTH = 16 * 1024 * 1024;
const MAX_DEPTH = 100;
/** Values after the expansion of aliases: a few lines of YAML can stand for billions. */
const MAX_VALUES = 1_000_000;

/** Go reads 0x, 0o, 0b and a leading 0 as bases; underscores are dropped. */
const INTEGER = /^[-+]?(?:0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const FIRST = [...'-+.0123456789'];

const intTag = defineScalarTag<number>('tag:yaml.org,2002:int', {
  implicit: true,
  implicitFirstChars: FIRST,
  identify: (value) => Number.isInteger(value),
  resolve: (source) => (INTEGER.test(source) ? parseInteger(source) : NOT_RESOLVED),
});

function parseInteger(source: string): number | typeof NOT_RESOLVED {
  const digits = source.replaceAll('_', '').replace(/^[-+]/, '');
  const isOctal = /^0[0-9]/.test(digits);
  // 08 is no octal number; Go then takes it as a float.
  if (isOctal && !/^0[0-7]+$/.test(digits)) return NOT_RESOLVED;
  const value = isOctal ? Number.parseInt(digits, 8) : Number(digits);
  return source.startsWith('-') ? -value : value;
}

const floatTag = defineScalarTag<number>('tag:yaml.org,2002:float', {
  implicit: true,
  implicitFirstChars: FIRST,
  identify: (value) => typeof value === 'number',
  resolve: (source) => {
    const plain = source.replaceAll('_', '');
    return FLOAT.test(plain) ? Number(plain) : NOT_RESOLVED;
  },
});

/** Timestamps stay the text they are. */
const timestampTag = defineScalarTag<string>('tag:yaml.org,2002:timestamp', {
  identify: () => false,
  resolve: (source) => source,
});

/** Binary data becomes the text that it encodes. */
const binaryTag = defineScalarTag<string>('tag:yaml.org,2002:binary', {
  identify: () => false,
  resolve: (source) => Buffer.from(source, 'base64').toString('utf8'),
});

const SCHEMA = YAML11_SCHEMA.withTags(intTag, floatTag, timestampTag, binaryTag);

/** The documents of a file, empty ones left out. Values are as JSON has them and share nothing. Throws YamlError. */
export function parseYaml(text: string, options: YamlOptions = {}): unknown[] {
  const { file } = options;
  const maxLength = options.maxLength ?? MAX_LENGTH;
  if (text.length > maxLength) throw new YamlError(`longer than ${maxLength} characters`, { file });
  const documents = load(text, file).filter((document) => document !== null && document !== undefined);
  if (!text.includes('*')) return documents;
  const budget = { left: MAX_VALUES, file };
  return documents.map((document) => unshare(document, budget, 0));
}

function load(text: string, file: string | undefined): unknown[] {
  try {
    return loadAll(text, { schema: SCHEMA, maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const at = error.mark ? { line: error.mark.line + 1, column: error.mark.column + 1 } : {};
    throw new YamlError(error.reason, { file, ...at });
  }
}

/** Aliases make one object appear in several places: each place gets its own. */
function unshare(value: unknown, budget: { left: number; file: string | undefined }, depth: number): unknown {
  if (--budget.left < 0) throw new YamlError(`aliases expand to more than ${MAX_VALUES} values`, budget);
  if (depth > 2 * MAX_DEPTH) throw new YamlError('aliases are nested too deeply', budget);
  if (Array.isArray(value)) return value.map((element) => unshare(element, budget, depth + 1));
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const name of Object.keys(value)) setMember(copy, name, unshare(value[name], budget, depth + 1));
  return copy;
}

/** The one object of a document, as request bodies have it. Throws YamlError. */
export function parseYamlObject(text: string, options: YamlOptions = {}): JsonObject {
  const documents = parseYaml(text, options);
  const [first] = documents;
  if (documents.length === 1 && isObject(first)) return first;
  throw new YamlError(
    `one object was expected, found ${documents.length === 1 ? 'another value' : `${documents.length} documents`}`,
    options,
  );
}

/** One document as kubectl prints it: members sorted, lists not indented, long lines left alone. */
export function formatYaml(value: unknown): string {
  return dump(value, {
    sortKeys: true,
    seqNoIndent: true,
    lineWidth: -1,
    noRefs: true,
    quoteStyle: 'double',
  });
}

/** JSON as kubectl prints it: members sorted, four spaces, a line end. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(sorted(value), null, 4)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const name of Object.keys(value).sort()) setMember(copy, name, sorted(value[name]));
  return copy;
}
