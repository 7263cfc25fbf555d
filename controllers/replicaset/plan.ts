/**
 * ReplicaSet: as many active pods of the template as asked for, no more. Pods to go are chosen as Kubernetes ranks them, so
 * that scaling down takes the pods that are missed least.
 */

import type { Kind } from '#api/kind.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { keyOf, type Pod, type ReplicaSet } from '#api/objects.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import { isPodActive } from '#api/semantics/pod-status.ts';
import { adoption, claim, releasing } from '../framework/claims.ts';
import type { Action, Failure, Plan } from '../framework/contract.ts';
import { rankForDeletion } from './ranking.ts';
import { changedStatus } from './status.ts';

type Step = Action<Kind<Pod> | Kind<ReplicaSet>>;

/** Pods made or deleted by one plan at most; the next one goes on. Source: Kubernetes, BurstReplicas. */
const BURST = 500;

export interface Siblings {
  /** Active pods of other ReplicaSets of the same Deployment, for ranking by crowded node. */
  relatedPods(): readonly Pod[];
}

export function planReplicaSet(
  set: ReplicaSet,
  owned: readonly Pod[],
  orphans: readonly Pod[],
  siblings: Siblings,
  now: number,
  failed?: Failure,
): Plan<Kind<Pod> | Kind<ReplicaSet>> {
  const claims = claim(set, owned, orphans);
  const mine = [...claims.mine, ...claims.adopt];
  const active = mine.filter(isPodActive);
  const { status, againAfterMs } = changedStatus(set, mine, active, now, failed);
  const actions: Step[] = [];
  if (status) {
    const why = { reason: 'StatusChanged', message: `the pods of ${set.metadata.name} have changed` };
    actions.push({ do: 'updateStatus', kind: ReplicaSetKind, object: { ...set, status }, why });
  }
  actions.push(...failureEvent(set, failed));
  actions.push(...claimActions(set, claims.adopt, claims.release));
  if (!set.metadata.deletionTimestamp) actions.push(...scaleActions(set, active, siblings));
  return { actions, ...(againAfterMs !== undefined && { againAfterMs }) };
}

function claimActions(set: ReplicaSet, adopt: readonly Pod[], release: readonly Pod[]): Step[] {
  return [
    ...adopt.map((pod): Step => {
      const why = { reason: 'Adopted', message: 'it has no controller and matches the selector' };
      return { do: 'patch', kind: PodKind, key: keyOf(pod), patch: adoption(ReplicaSetKind, set, pod), why };
    }),
    ...release.map((pod): Step => {
      const why = { reason: 'Released', message: 'it no longer matches the selector' };
      return { do: 'patch', kind: PodKind, key: keyOf(pod), patch: releasing(set, pod), why };
    }),
  ];
}

function scaleActions(set: ReplicaSet, active: readonly Pod[], siblings: Siblings): Step[] {
  const wanted = set.spec?.replicas ?? 0;
  if (active.length < wanted) {
    const pod = podOf(set);
    return Array.from({ length: Math.min(wanted - active.length, BURST) }, () => createAction(set, pod));
  }
  if (active.length > wanted) {
    const related = [...active, ...siblings.relatedPods()];
    const excess = Math.min(active.length - wanted, BURST);
    return rankForDeletion(active, related)
      .slice(0, excess)
      .map((pod) => deleteAction(set, pod));
  }
  return [];
}

function createAction(set: ReplicaSet, object: Pod): Step {
  const wanted = set.spec?.replicas ?? 0;
  return {
    do: 'create',
    kind: PodKind,
    object,
    together: true,
    why: { reason: 'TooFewPods', message: `${set.metadata.name} wants ${wanted} pods` },
    event: {
      about: set,
      type: 'Normal',
      why: { reason: 'SuccessfulCreate', message: 'Created pod: {name}' },
    },
  };
}

function deleteAction(set: ReplicaSet, pod: Pod): Step {
  const wanted = set.spec?.replicas ?? 0;
  return {
    do: 'delete',
    kind: PodKind,
    key: keyOf(pod),
    options: { uid: pod.metadata.uid },
    together: true,
    why: { reason: 'TooManyPods', message: `${set.metadata.name} wants ${wanted} pods` },
    event: {
      about: set,
      type: 'Normal',
      why: { reason: 'SuccessfulDelete', message: 'Deleted pod: {name}' },
    },
  };
}

function failureEvent(set: ReplicaSet, failed: Failure | undefined): Step[] {
  if (failed?.kind !== (PodKind as Kind<never>)) return [];
  if (failed.do === 'create') {
    const why = { reason: 'FailedCreate', message: `Error creating: ${failed.error.message}` };
    return [{ do: 'event', about: set, type: 'Warning', why }];
  }
  if (failed.do === 'delete') {
    const why = { reason: 'FailedDelete', message: `Error deleting: ${failed.error.message}` };
    return [{ do: 'event', about: set, type: 'Warning', why }];
  }
  return [];
}

/** The pod of the template; the server makes its name. */
export function podOf(set: ReplicaSet): Pod {
  const template = set.spec?.template;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: '',
      generateName: `${set.metadata.name}-`,
      namespace: set.metadata.namespace,
      labels: template?.metadata?.labels,
      annotations: template?.metadata?.annotations,
      finalizers: template?.metadata?.finalizers,
      ownerReferences: [controllerReference(ReplicaSetKind, set)],
    },
    spec: template?.spec,
  };
}
