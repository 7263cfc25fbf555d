/** JSON patch. Source: RFC 6902; limits and faults as the Kubernetes API has them. */
import fastJsonPatch, { type Operation } from 'fast-json-patch';
import { StatusError } from '../errors.ts';
import { isObject, type JsonObject } from '../schema/model.ts';

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
      if (copied > MAX_COPIED) throw rejected(`operation ${index} copies too much`);
    }
    result = applyOne(result, operation, index);
  }
  if (!isObject(result)) throw rejected('the patch leaves no object');
  return result;
}

function applyOne(document: unknown, operation: Operation, index: number): unknown {
  try {
    return applyOperation(document, operation, true, true, true, index).newDocument;
  } catch (error) {
    if (error instanceof JsonPatchError)
      throw rejected(
        `operation ${index} (${operation.op} ${operation.path}): ${FAULTS[error.name] ?? error.name}`,
      );
    // The package refuses members of prototypes with a plain TypeError.
    if (error instanceof TypeError)
      throw rejected(`operation ${index} (${operation.op} ${operation.path}): ${error.message}`);
    throw error;
  }
}

/** The package's codes, in words. */
const FAULTS: Record<string, string> = {
  TEST_OPERATION_FAILED: 'the value there is another',
  OPERATION_PATH_UNRESOLVABLE: 'there is nothing at this path',
  OPERATION_FROM_UNRESOLVABLE: 'there is nothing to take',
  OPERATION_PATH_CANNOT_ADD: 'nothing can be added at this path',
  OPERATION_PATH_ILLEGAL_ARRAY_INDEX: 'a list has no such index',
  OPERATION_VALUE_OUT_OF_BOUNDS: 'the index is beyond the end of the list',
};

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
  if (!Array.isArray(patch)) throw new StatusError('BadRequest', 'a JSON patch must be a list of operations');
  if (patch.length > MAX_OPERATIONS)
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  for (const [index, operation] of patch.entries()) {
    const fault = operationFault(operation);
    if (fault) throw new StatusError('BadRequest', `JSON patch operation ${index}: ${fault}`);
  }
  return patch as Operation[];
}

function operationFault(operation: unknown): string | undefined {
  if (!isObject(operation)) return 'must be an object';
  const { op, path, from } = operation;
  if (typeof op !== 'string' || !OPERATIONS.has(op)) return `unknown op ${JSON.stringify(op)}`;
  if (!isPointer(path)) return 'path must be a JSON pointer';
  if ((op === 'move' || op === 'copy') && !isPointer(from)) return 'from must be a JSON pointer';
  if (['add', 'replace', 'test'].includes(op) && operation['value'] === undefined) return 'value is missing';
  return undefined;
}

function isPointer(value: unknown): boolean {
  return typeof value === 'string' && (value === '' || value.startsWith('/'));
}

/** Kubernetes' words, and then which operation it was. */
function rejected(why: string): StatusError {
  return new StatusError('Invalid', `the server rejected our request due to an error in our request: ${why}`);
}
