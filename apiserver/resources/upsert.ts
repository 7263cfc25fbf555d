/** Updates and applied configurations of objects that may be missing: they make them. */

import { isStatus } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { attributesOf } from '../authorization/attributes.ts';
import { conflict, forbidden } from '../engine/faults.ts';
import { MAX_TRIES } from '../engine/parts.ts';
import type { Written } from '../engine/storage.ts';
import { respondObject, type Scope } from './scope.ts';

interface Ways {
  change(): Promise<Written>;
  /** `mayCreate` is to be called when the object is known to be valid. */
  make(mayCreate: () => void): Promise<Written>;
}

/**
 * Changes the object (200), or makes it when there is none (201), whatever others do meanwhile. Forbidden for who may
 * change objects but make none.
 */
export async function changeOrMake(scope: Scope, { change, make }: Ways): Promise<TransportResponse> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const missing = await isMissing(scope);
    try {
      if (!missing) return respondObject(scope, (await change()).bytes);
      return respondObject(scope, (await make(() => refuseCreate(scope))).bytes, 201);
    } catch (error) {
      const overtaken = missing
        ? isStatus(error, 'AlreadyExists')
        : isStatus(error, 'NotFound') && (await isMissing(scope));
      if (!overtaken) throw error;
    }
  }
  throw conflict(scope.kind, scope.name);
}

async function isMissing({ parts, stored, namespace, name }: Scope): Promise<boolean> {
  return (await parts.storage.read(stored, namespace, name)) === undefined;
}

/** Source: apiserver, withAuthorization: the words are those of the authorizer alone, if it has any. */
function refuseCreate({ parts, context, kind, name }: Scope): void {
  const attributes = { ...attributesOf(context.info, context.identity), verb: 'create' };
  const decision = parts.authorizer.authorize(attributes);
  if (!decision.allowed) throw forbidden(kind, name, decision.reason);
}
