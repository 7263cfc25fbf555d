/** From the bytes of a JSON request body to an object of a type, with the wording of Kubernetes for every fault. */
import { StatusError } from '../errors.ts';
import { conform, DecodeError, type Mismatch } from './conform.ts';
import { countMembers, findDuplicates } from './duplicates.ts';
import { isObject, type JsonObject, type StructType } from './model.ts';

/** `fieldValidation` of a request: refuse unknown and duplicate fields, warn of them, or drop them silently. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface Decoded {
  object: JsonObject;
  /** For Warning headers: `unknown field "spec.foo"`. Only at level Warn. */
  warnings: string[];
}

/**
 * Decodes a JSON body as `type`. Throws StatusError BadRequest: not JSON, a wrong type, or (Strict) unknown or duplicate
 * fields.
 */
export function decodeJson(
  body: string | Uint8Array,
  type: StructType,
  validation: FieldValidation = 'Warn',
): Decoded {
  const text = textOf(body);
  const object = parseObject(text, type);
  return decode(object, type, validation, (members) =>
    members === countMembers(text) ? [] : findDuplicates(text),
  );
}

/**
 * The same for a value that is parsed already (YAML, a patched object), which is changed in place. `refuse` words the
 * error of what is at fault, where it is not the body.
 */
export function decodeParsed(
  object: JsonObject,
  type: StructType,
  validation: FieldValidation = 'Warn',
  refuse: Refuse = unhandled,
): Decoded {
  return decode(object, type, validation, () => [], refuse);
}

export type Refuse = (type: StructType, message: string, mismatch?: Mismatch) => StatusError;

/**
 * The JSON object in a body, whatever its type: patches, or to see its kind first. Throws StatusError BadRequest.
 */
export function parseObject(body: string | Uint8Array, type?: StructType): JsonObject {
  const must = type ? ` (must be of type ${kindOf(type)})` : '';
  let value: unknown;
  try {
    value = JSON.parse(textOf(body));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StatusError(
      'BadRequest',
      `the object provided is unrecognized${must}: couldn't get version/kind; json parse error: ${error.message}`,
    );
  }
  if (isObject(value)) return value;
  throw new StatusError(
    'BadRequest',
    `the object provided is unrecognized${must}: couldn't get version/kind; json parse error: a JSON object was expected`,
  );
}

function textOf(body: string | Uint8Array): string {
  if (typeof body === 'string') return body;
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
}

function kindOf(type: StructType): string {
  return type.gvk?.kind ?? type.name.slice(type.name.lastIndexOf('.') + 1);
}

function decode(
  object: JsonObject,
  type: StructType,
  validation: FieldValidation,
  duplicates: (members: number) => string[],
  refuse: Refuse = unhandled,
): Decoded {
  let faults: string[];
  try {
    const { unknown, members } = conform(object, type);
    faults = validation === 'Ignore' ? [] : unknown.map((path) => `unknown field ${quote(path)}`);
    if (validation !== 'Ignore')
      faults.push(...duplicates(members).map((path) => `duplicate field ${quote(path)}`));
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw refuse(type, error.message, error.mismatch);
  }
  if (validation === 'Strict' && faults.length)
    throw refuse(type, `strict decoding error: ${faults.join(', ')}`);
  return { object, warnings: faults };
}

function unhandled(type: StructType, message: string): StatusError {
  const kind = kindOf(type);
  const version = type.gvk?.version ?? '';
  return new StatusError(
    'BadRequest',
    `${kind} in version ${quote(version)} cannot be handled as a ${kind}: ${message}`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}
