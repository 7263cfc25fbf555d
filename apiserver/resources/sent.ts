/** What a request writes to a part of an object, whichever of the three ways it takes. */
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { bodyText, decodeBody, fieldValidationOf } from '../encoding/body.ts';
import { methodNotAllowed } from '../engine/faults.ts';
import { checkPatchOptions, checkWriteOptions } from './options.ts';
import type { Scope } from './scope.ts';
import { decodeApplied, patchTypeOf } from './write.ts';

/** An object of its own, made of the current one by PUT or patch; or a configuration that is applied. */
export type Sent =
  | { isApplied: false; from(current: ApiObject): ApiObject }
  | { isApplied: true; config: ApiObject };

/** Reads the body as `kind`. MethodNotAllowed for what is neither PUT nor PATCH; BadRequest for options that do not fit. */
export function sentTo(scope: Scope, kind: Kind): Sent {
  const { context, parts } = scope;
  const { verb, query } = context.info;
  const validation = fieldValidationOf(query);
  if (verb === 'update') {
    checkWriteOptions('UpdateOptions', query);
    const { object } = decodeBody(context.request, kind.schema, validation, parts.formats);
    return { isApplied: false, from: () => structuredClone(object) };
  }
  if (verb !== 'patch') throw methodNotAllowed();
  const type = patchTypeOf(scope);
  checkPatchOptions(query, type === 'apply');
  if (type === 'apply') return { isApplied: true, config: decodeApplied(scope, kind) };
  const patch = parts.formats.parsePatch(bodyText(context.request), type);
  return {
    isApplied: false,
    from: (current) => parts.formats.patch(kind, type, current, patch, validation).object,
  };
}
