/**
 * The words for a patch that leaves something which is no object of its kind. Source: Kubernetes apiserver: the patched
 * object is decoded as JSON after merge and JSON patches, and converted value by value after strategic ones.
 */
import type { Kind } from '#api/kind.ts';
import type { StatusError } from '#machinery/errors.ts';
import type { Mismatch } from '#machinery/schema/conform.ts';
import type { Refuse } from '#machinery/schema/decode.ts';
import type { JsonObject, ValueType } from '#machinery/schema/model.ts';
import { goText } from '#machinery/values/go-text.ts';
import { invalid } from '../engine/faults.ts';

/** For JSON and merge patches: the value at fault is the whole patched object. */
export function refusePatched(patched: JsonObject): Refuse {
  const value = JSON.stringify(patched);
  return (_, message) => refused(value, message);
}

/** For strategic merge patches: the value at fault is the patch. */
export function refuseStrategic(patch: JsonObject): Refuse {
  return (_, message, mismatch) => refused(goText(patch), mismatch ? valueFault(mismatch) : message);
}

/** An object of one type where another is served. Source: apimachinery, conversion between Go types. */
export function conversionFault(
  kind: Pick<Kind, 'group' | 'kind'>,
  apiVersion: string,
  name: string,
): string {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  const target = kind.group.split('.')[0] || 'core';
  return `converting (${version}.${name}) to (${target}.${kind.kind}): unknown conversion`;
}

function refused(value: string, detail: string): StatusError {
  return invalid({ group: '', kind: '' }, '', [{ type: 'Invalid', field: 'patch', value, detail }]);
}

const RESTORE: Record<ValueType['form'], string> = {
  scalar: '',
  struct: 'cannot restore struct from:',
  union: 'cannot restore struct from:',
  list: 'cannot restore slice from',
  map: 'cannot restore map from',
};

const GO_KINDS: Record<string, string> = { array: 'slice', object: 'map', number: 'int64' };

function valueFault({ found, goType, form }: Mismatch): string {
  const kind = found.startsWith('number ') ? 'float64' : (GO_KINDS[found] ?? found);
  if (form !== 'scalar') return `${RESTORE[form]} ${kind}`;
  // Go converts between numbers, and from a number to the text of that code point: it names the refusal of those only.
  const isText = goType === 'string' || goType.includes('.');
  if ((kind === 'int64' && isText) || (kind === 'float64' && goType.startsWith('int')))
    return `cannot convert ${kind} to ${goType}`;
  return `unrecognized type: ${isText ? 'string' : goType}`;
}
