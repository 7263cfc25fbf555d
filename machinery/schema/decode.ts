/** From the bytes of a JSON request body to an object of a type, with the wording of Kubernetes for every fault. */
import { StatusError } from '../errors.ts';
import { goKind } from '../values/go-text.ts';
import { jsonFault } from '../values/json-fault.ts';
import { conform, DecodeError, type Mismatch } from './conform.ts';
import { countMembers, type Duplicates, findDuplicates, NO_DUPLICATES } from './duplicates.ts';
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
    members === countMembers(text) ? NO_DUPLICATES : findDuplicates(text),
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
  return decode(object, type, validation, () => NO_DUPLICATES, refuse);
}

export type Refuse = (type: StructType, message: string, mismatch?: Mismatch) => StatusError;

/**
 * The JSON object in a body, whatever its type: patches, or to see its kind first. Throws StatusError BadRequest.
 */
export function parseObject(body: string | Uint8Array, type?: StructType): JsonObject {
  const text = textOf(body);
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
    throw unrecognized(text, notAnObject(value), type);
  } catch (error) {
    if (error instanceof SyntaxError) throw unrecognized(text, jsonFault(text, error), type);
    throw error;
  }
}

function unrecognized(text: string, why: string, type: StructType | undefined): StatusError {
  const must = type ? ` (must be of type ${kindOf(type)})` : '';
  return new StatusError(
    'BadRequest',
    `the object provided is unrecognized${must}: couldn't get version/kind; json parse error: ${why} (${summaryOf(text)})`,
  );
}

/** Source: Go's encoding/json, of the type in which the kind is looked for first. */
function notAnObject(value: unknown): string {
  const into = String.raw`struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`;
  return `json: cannot unmarshal ${goKind(value)} into Go value of type ${into}`;
}

const SUMMARY_BYTES = 30;

/** What the body begins with, in hexadecimal when it is no object. Source: apiserver's handlers. */
function summaryOf(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length === 0) return '<empty>';
  const start = bytes.subarray(0, SUMMARY_BYTES).toString(text.startsWith('{') ? 'utf8' : 'hex');
  return bytes.length > SUMMARY_BYTES ? `${start} ...` : start;
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
  duplicates: (members: number) => Duplicates,
  refuse: Refuse = unhandled,
): Decoded {
  let faults: string[];
  try {
    const { unknown, members } = conform(object, type);
    faults = validation === 'Ignore' ? [] : strictFaults(unknown, duplicates(members));
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw refuse(type, error.message, error.mismatch);
  }
  if (validation === 'Strict' && faults.length)
    throw refuse(type, `strict decoding error: ${faults.join(', ')}`);
  return { object, warnings: faults };
}

/** In the order of the text, as far as that is known. */
function strictFaults(unknown: readonly string[], { paths, order }: Duplicates): string[] {
  const faults = [
    ...unknown.map((path) => ({ path, text: `unknown field ${quote(path)}` })),
    ...paths.map((path) => ({ path, text: `duplicate field ${quote(path)}` })),
  ];
  const placeOf = (path: string) => order.get(path) ?? -1;
  if (paths.length > 0) faults.sort((a, b) => placeOf(a.path) - placeOf(b.path));
  return faults.map(({ text }) => text);
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
