/** Who made an object and is responsible for it. Source: Kubernetes documentation, "Owners and Dependents". */
import { apiVersionOf, type Kind } from '../kind.ts';
import type { ApiObject, OwnerReference } from '../objects.ts';

/** The owner that controls the object; there is at most one. */
export function controllerOf(object: ApiObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference a controller writes into the objects it makes for `owner`. */
export function controllerReference(
  kind: Pick<Kind, 'group' | 'version' | 'kind'>,
  owner: ApiObject,
): OwnerReference {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}
