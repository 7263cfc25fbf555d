/**
 * Who made a pod, and how many such pods there should be: the ReplicationController, StatefulSet or ReplicaSet that
 * controls it, or the Deployment behind that ReplicaSet.
 * Source: Kubernetes, pkg/controller/disruption, the finders of controllers.
 */
import { apiVersionOf, resourceName } from '#api/kind.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { KINDS } from '#api/kinds/index.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { ReplicationControllerKind } from '#api/kinds/replication-controller.ts';
import { StatefulSetKind } from '#api/kinds/stateful-set.ts';
import type { ApiObject, OwnerReference } from '#api/objects.ts';
import { controllerOf } from '#api/semantics/owners.ts';
import type { View } from '../framework/contract.ts';

/** The kinds that have a scale. */
export const SCALED = [DeploymentKind, ReplicaSetKind, ReplicationControllerKind, StatefulSetKind] as const;

export interface Scale {
  uid: string;
  replicas: number;
}

/** Undefined when the owner is gone. Throws UncountableError. */
export type ScaleOf = (owner: OwnerReference) => Scale | undefined;

/** The pods of a budget cannot be counted. The message is the one that Kubernetes gives. */
export class UncountableError extends Error {
  override readonly name = 'UncountableError';
}

/** Looks owners up among the objects of one namespace. */
export function scalesIn(namespace: string, view: Pick<View<typeof SCALED>, 'get'>): ScaleOf {
  const find = (owner: OwnerReference) => {
    const kind = SCALED.find((scaled) => isOf(owner, scaled));
    if (!kind) throw new UncountableError(whyWithoutScale(owner));
    const found = view.get(kind, `${namespace}/${owner.name}`);
    // Another one may have taken the name.
    return found?.metadata.uid === owner.uid ? found : undefined;
  };
  return (owner) => {
    const found = find(owner);
    if (!found) return undefined;
    const above = controllerOf(found);
    const isBelow = isOf(owner, ReplicaSetKind) && above !== undefined && isOf(above, DeploymentKind);
    return scaleOf((isBelow && find(above)) || found);
  };
}

function scaleOf({ metadata, spec }: ApiObject & { spec?: { replicas?: number } }): Scale {
  return { uid: metadata.uid ?? '', replicas: spec?.replicas ?? 1 };
}

function isOf(owner: OwnerReference, kind: (typeof KINDS)[number] | (typeof SCALED)[number]): boolean {
  return owner.kind === kind.kind && owner.apiVersion === apiVersionOf(kind);
}

function whyWithoutScale(owner: OwnerReference): string {
  const kind = KINDS.find((known) => isOf(owner, known));
  if (kind) return `${resourceName(kind)} does not implement the scale subresource`;
  return `no matches for kind ${JSON.stringify(owner.kind)} in version ${JSON.stringify(owner.apiVersion)}`;
}
