import fastJsonPatch from 'fast-json-patch';
import type { ApiObject } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { PatchBody } from '../contract.ts';

/** The patched copy. Strategic and apply patches are merged as RFC 7396 does: lists are replaced whole, without what is to go. */
export function applyFakePatch<T extends ApiObject>(object: T, patch: PatchBody): T {
  const copy = structuredClone(object);
  if (patch.type !== 'json') return merge(copy, structuredClone(patch.body)) as T;
  try {
    const operations = patch.body as Parameters<typeof fastJsonPatch.applyPatch>[1];
    return fastJsonPatch.applyPatch(copy, operations, true).newDocument as T;
  } catch (error) {
    throw new StatusError('Invalid', `the JSON patch does not apply: ${error}`);
  }
}

function merge(target: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) return patch.filter((item) => !isRecord(item) || item['$patch'] !== 'delete');
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
