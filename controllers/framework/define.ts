import type { Kind } from '#api/kind.ts';
import type { ApiObject, ObjectKey } from '#api/objects.ts';
import type { AnyController, Controller, View, Wake } from './contract.ts';

/** Declares a controller; the types of `reads` and `writes` bound what its plan may touch. */
export function defineController<
  For extends ApiObject,
  const Reads extends readonly Kind<never>[],
  const Writes extends readonly Kind<never>[],
>(controller: Controller<For, Reads, Writes>): AnyController {
  return controller as unknown as AnyController;
}

/** What a change of `kind` concerns, with the object typed. */
export function wakeBy<T extends ApiObject>(
  kind: Kind<T>,
  keys: (changed: T, view: View<readonly Kind<never>[]>) => Iterable<ObjectKey>,
): Wake {
  return { kind, keys: (changed, view) => keys(changed as T, view) };
}

/** A change of `kind` concerns its controller, when that is of kind `owner`. */
export function wakeController(kind: Kind<never>, owner: Pick<Kind, 'kind' | 'group'>): Wake {
  return {
    kind,
    keys({ metadata }) {
      const reference = metadata.ownerReferences?.find((one) => one.controller);
      if (reference?.kind !== owner.kind || groupOf(reference.apiVersion) !== owner.group) return [];
      return [metadata.namespace ? `${metadata.namespace}/${reference.name}` : reference.name];
    },
  };
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}
