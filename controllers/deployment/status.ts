/** Status and conditions of a Deployment, with the reasons and words that kubectl rollout status and people wait for. */
import type { Deployment, ReplicaSet } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { rfc3339 } from '#machinery/clock.ts';
import type { Failure } from '../framework/contract.ts';
import { availableOf, boundsOf, replicasOf, type Sets, sum } from './sets.ts';

export type DeploymentStatus = NonNullable<Deployment['status']>;
type Conditions = NonNullable<DeploymentStatus['conditions']>;
type Condition = Conditions[number];

/** `progressDeadlineSeconds` of a Deployment without a deadline. */
const NO_DEADLINE = 2 ** 31 - 1;

const readyOf = (set: ReplicaSet) => set.status?.readyReplicas ?? 0;
const existing = (set: ReplicaSet) => set.status?.replicas ?? 0;

/** What the rollout does besides counting. */
export type News =
  | { is: 'created'; set: string }
  | { is: 'found'; set: string }
  | { is: 'refused'; failure: Failure }
  | undefined;

export function statusOf(deployment: Deployment, sets: Sets, news: News, now: number): DeploymentStatus {
  const { current, olds } = sets;
  const all = current ? [...olds, current] : olds;
  const available = sum(all, availableOf);
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation,
    replicas: sum(all, existing),
    updatedReplicas: current ? existing(current) : 0,
    readyReplicas: sum(all, readyOf),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(all, replicasOf) - available),
    terminatingReplicas: sum(all, (set) => set.status?.terminatingReplicas ?? 0),
    collisionCount: deployment.status?.collisionCount,
  };
  let conditions = deployment.status?.conditions ?? [];
  conditions = put(conditions, availability(deployment, available), now);
  conditions = progress(deployment, sets, status, conditions, news, now);
  conditions = failureOf(conditions, sets, news, now);
  return { ...status, conditions };
}

/** When the rollout passes its deadline unless it moves, ms since the epoch. */
export function deadlineOf(deployment: Deployment, status: DeploymentStatus): number | undefined {
  if (!hasDeadline(deployment) || deployment.spec?.paused) return undefined;
  const condition = conditionOf(status.conditions, 'Progressing');
  if (!condition || condition.reason === 'NewReplicaSetAvailable') return undefined;
  if (condition.reason === 'ProgressDeadlineExceeded') return undefined;
  const since = Date.parse(condition.lastUpdateTime ?? '');
  return Number.isNaN(since) ? undefined : since + deployment.spec!.progressDeadlineSeconds! * 1000;
}

/** Whether every wanted pod is of the present template and available, and no other is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = deployment.spec?.replicas ?? 0;
  return (
    status.updatedReplicas === wanted &&
    status.replicas === wanted &&
    status.availableReplicas === wanted &&
    status.observedGeneration === deployment.metadata.generation
  );
}

function hasDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== NO_DEADLINE;
}

function availability(deployment: Deployment, available: number): Said {
  const wanted = deployment.spec?.replicas ?? 0;
  return available >= wanted - boundsOf(deployment).maxUnavailable
    ? ['Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.']
    : ['Available', 'False', 'MinimumReplicasUnavailable', 'Deployment does not have minimum availability.'];
}

function progress(
  deployment: Deployment,
  { current }: Sets,
  status: DeploymentStatus,
  conditions: Conditions,
  news: News,
  now: number,
): Conditions {
  if (!hasDeadline(deployment)) return without(conditions, 'Progressing');
  const old = conditionOf(conditions, 'Progressing');
  if (deployment.spec?.paused) {
    if (old?.reason === 'ProgressDeadlineExceeded' || old?.reason === 'DeploymentPaused') return conditions;
    return put(conditions, ['Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused'], now);
  }
  if (old?.reason === 'DeploymentPaused')
    return put(conditions, ['Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed'], now);
  if (news?.is === 'created')
    return put(
      conditions,
      ['Progressing', 'True', 'NewReplicaSetCreated', `Created new replica set "${news.set}"`],
      now,
    );
  if (news?.is === 'refused') {
    const { message } = news.failure.error;
    return put(
      conditions,
      [
        'Progressing',
        'False',
        'ReplicaSetCreateError',
        `Failed to create new replica set "${deployment.metadata.name}": ${message}`,
      ],
      now,
    );
  }
  if (news?.is === 'found' && !old)
    return put(
      conditions,
      ['Progressing', 'True', 'FoundNewReplicaSet', `Found new replica set "${news.set}"`],
      now,
    );

  const who = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  if (status.replicas === status.updatedReplicas && old?.reason === 'NewReplicaSetAvailable')
    return conditions;
  if (isComplete(deployment, status))
    return put(
      conditions,
      ['Progressing', 'True', 'NewReplicaSetAvailable', `${who} has successfully progressed.`],
      now,
    );
  if (hasMoved(deployment.status, status))
    return touch(conditions, ['Progressing', 'True', 'ReplicaSetUpdated', `${who} is progressing.`], now);
  const deadline = deadlineOf(deployment, { ...status, conditions });
  if (deadline !== undefined && deadline <= now)
    return put(
      conditions,
      ['Progressing', 'False', 'ProgressDeadlineExceeded', `${who} has timed out progressing.`],
      now,
    );
  return conditions;
}

function hasMoved(old: DeploymentStatus | undefined, status: DeploymentStatus): boolean {
  const oldsLeft = (one: DeploymentStatus | undefined) => (one?.replicas ?? 0) - (one?.updatedReplicas ?? 0);
  return (
    status.updatedReplicas! > (old?.updatedReplicas ?? 0) ||
    oldsLeft(status) < oldsLeft(old) ||
    status.readyReplicas! > (old?.readyReplicas ?? 0) ||
    status.availableReplicas! > (old?.availableReplicas ?? 0)
  );
}

/** What the ReplicaSets say of pods that are refused, the current one first. */
function failureOf(conditions: Conditions, { current, olds }: Sets, news: News, now: number): Conditions {
  if (news?.is === 'refused')
    return put(conditions, ['ReplicaFailure', 'True', 'FailedCreate', news.failure.error.message], now);
  for (const set of [...(current ? [current] : []), ...olds]) {
    const failure = conditionOf(set.status?.conditions, 'ReplicaFailure');
    if (failure)
      return put(
        conditions,
        ['ReplicaFailure', failure.status, failure.reason ?? '', failure.message ?? ''],
        now,
      );
  }
  return without(conditions, 'ReplicaFailure');
}

type Said = [type: string, status: string, reason: string, message: string];

/** Sets the condition unless status and reason are the same already. */
function put(conditions: Conditions, said: Said, now: number): Conditions {
  const old = conditionOf(conditions, said[0]);
  if (old?.status === said[1] && old.reason === said[2]) return conditions;
  return touch(conditions, said, now);
}

/** Sets the condition and the time of its update. */
function touch(conditions: Conditions, [type, status, reason, message]: Said, now: number): Conditions {
  const old = conditionOf(conditions, type);
  const time = rfc3339(now);
  const condition: Condition = {
    type,
    status,
    reason,
    message,
    lastUpdateTime: time,
    lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? time) : time,
  };
  return [...without(conditions, type), condition];
}

function without(conditions: Conditions, type: string): Conditions {
  return conditions.some((one) => one.type === type)
    ? conditions.filter((one) => one.type !== type)
    : conditions;
}
