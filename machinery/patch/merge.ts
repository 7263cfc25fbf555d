/** JSON merge patch. Source: RFC 7386. */
import { StatusError } from '../errors.ts';
import { MAX_DEPTH } from '../schema/conform.ts';
import { isObject, type JsonObject, member, setMember } from '../schema/model.ts';

/**
 * The document that the patch makes: null removes, objects merge, everything else replaces. The given one is not changed,
 * but shares what the patch leaves alone. Throws StatusError BadRequest when the patch is nested too deeply.
 */
export function applyMergePatch(document: JsonObject, patch: JsonObject): JsonObject {
  return merge(document, patch, 0);
}

function merge(target: unknown, patch: JsonObject, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw new StatusError('BadRequest', 'the patch is nested too deeply');
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else if (isObject(value)) setMember(result, name, merge(member(result, name), value, depth + 1));
    else setMember(result, name, value);
  }
  return result;
}
