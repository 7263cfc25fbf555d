/** JSON patch. Source: RFC 6902; limits and faults as the Kubernetes API has them. */
import fastJsonPatch, { type Operation } from 'fast-json-patch';
import { StatusError } from '../errors.ts';
import { isObject, type JsonObject } from '../schema/model.ts';
import { goKind } from '../values/go-text.ts';

// A CommonJS package: its names hang off the default import.
const { applyOperation, JsonPatchError } = fastJsonPatch;

/** As Kubernetes: more operations in one patch are refused. */
export const MAX_OPERATIONS = 10_000;

/** Copying doubles a document with each operation: what may be copied in all, in characters of JSON. */
const MAX_COPIED = 8 * 1024 * 1024;

/**
 * The document that the patch makes; the given one is not changed. Throws StatusError: BadRequest when it is no patch,
 * RequestEntityTooLarge when it has too many operations, Invalid when an operation fails (`test` too).
 */
export function applyJsonPatch(document: JsonObject, patch: unknown): JsonObject {
  const operations = checkOperations(patch);
  let result: unknown = structuredClone(document);
  let copied = 0;
  for (const [index, operation] of operations.entries()) {
    if (operation.op === 'copy') {
      copied += JSON.stringify(valueAt(result, operation.from)).length;
      if (copied > MAX_COPIED) throw rejected();
    }
    result = applyOne(result, operation, index);
  }
  if (!isObject(result)) throw rejected();
  return result;
}

function applyOne(document: unknown, operation: Operation, index: number): unknown {
  // RFC 6902 section 4.4: it would hang off itself.
  if (operation.op === 'move' && operation.path.startsWith(`${operation.from}/`)) throw rejected();
  try {
    return applyOperation(document, operation, true, true, true, index).newDocument;
  } catch (error) {
    // The package refuses members of prototypes with a plain TypeError.
    if (error instanceof JsonPatchError || error instanceof TypeError) throw rejected();
    throw error;
  }
}

/** Only to measure what would be copied: a path that leads nowhere fails when it is applied. */
function valueAt(document: unknown, pointer: string): unknown {
  let at = document;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return null;
    at = (at as JsonObject)[name];
  }
  return at ?? null;
}

const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

function checkOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw undecoded(patch, '[]handlers.jsonPatchOp');
  if (patch.length > MAX_OPERATIONS)
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  for (const operation of patch) {
    if (!isObject(operation)) throw undecoded(operation, 'handlers.jsonPatchOp');
    if (!isComplete(operation)) throw rejected();
  }
  return patch as Operation[];
}

function isComplete({ op, path, from, value }: JsonObject): boolean {
  if (typeof op !== 'string' || !OPERATIONS.has(op) || !isPointer(path)) return false;
  if (op === 'move' || op === 'copy') return isPointer(from);
  return op === 'remove' || value !== undefined;
}

function isPointer(value: unknown): boolean {
  return typeof value === 'string' && (value === '' || value.startsWith('/'));
}

/** Kubernetes does not say which operation it was, nor why. */
function rejected(): StatusError {
  return new StatusError('Invalid', 'the server rejected our request due to an error in our request', {});
}

/** Source: Go's encoding/json, of the type that the apiserver reads a patch into. */
function undecoded(value: unknown, type: string): StatusError {
  return new StatusError(
    'BadRequest',
    `error decoding patch: json: cannot unmarshal ${goKind(value)} into Go value of type ${type}`,
  );
}
