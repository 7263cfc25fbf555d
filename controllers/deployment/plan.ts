/**
 * Deployment: one ReplicaSet per pod template, grown and shrunk so that a change of the template rolls out within the
 * bounds the user gave. A plan makes the next safe step; the step after is planned from what that led to.
 */
import type { Kind } from '#api/kind.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { type Deployment, keyOf, type ReplicaSet } from '#api/objects.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import { adoption, claim, releasing } from '../framework/claims.ts';
import type { Action, Failure, Plan } from '../framework/contract.ts';
import { newSetAnnotations, REVISION, revisionOf, sizeAnnotations } from './annotations.ts';
import { type Bounds, boundsOf, newSet, replicasOf, type Sets, splitSets, sum } from './sets.ts';
import { rollingSize, type Sizes, scaledSizes, shrinkOlds, wasScaled } from './sizes.ts';
import { deadlineOf, isComplete, type News, statusOf } from './status.ts';

export type Step = Action<Kind<Deployment> | Kind<ReplicaSet>>;

export interface DeploymentScene {
  deployment: Deployment;
  owned: readonly ReplicaSet[];
  orphans: readonly ReplicaSet[];
  /** Whether pods of the set still exist that have not ended; asked only to recreate. */
  hasRunningPods(set: ReplicaSet): boolean;
  /** Whatever has this name in the namespace. */
  setNamed(name: string): ReplicaSet | undefined;
}

export function planDeployment(
  scene: DeploymentScene,
  now: number,
  failed?: Failure,
): Plan<Kind<Deployment> | Kind<ReplicaSet>> {
  const { deployment } = scene;
  const claims = claim(deployment, scene.owned, scene.orphans);
  const claiming = claimSteps(deployment, claims.adopt, claims.release);
  if (claiming.length > 0) return { actions: claiming };

  const sets = splitSets(deployment, claims.mine);
  const rollout = deployment.metadata.deletionTimestamp ? NOTHING : rolloutSteps(scene, sets, failed);
  const status = statusOf(deployment, sets, rollout.news, now);
  const cleanup =
    rollout.steps.length === 0 && !deployment.metadata.deletionTimestamp && isComplete(deployment, status)
      ? cleanupSteps(deployment, sets.olds)
      : [];
  const actions = [...statusSteps(deployment, status, rollout.collided), ...rollout.steps, ...cleanup];
  const deadline = deadlineOf(deployment, status);
  return { actions, ...(deadline !== undefined && { againAfterMs: Math.max(0, deadline - now) + 1000 }) };
}

interface Rollout {
  steps: Step[];
  news: News;
  /** The name for the new set is taken by another template. */
  collided: boolean;
}

const NOTHING: Rollout = { steps: [], news: undefined, collided: false };

function rolloutSteps(scene: DeploymentScene, sets: Sets, failed: Failure | undefined): Rollout {
  const { deployment } = scene;
  const bounds = boundsOf(deployment);
  const wanted = deployment.spec?.replicas ?? 0;
  const all = [...sets.olds, ...(sets.current ? [sets.current] : [])];
  if (deployment.spec?.paused || wasScaled(wanted, all)) {
    const steps = scaleSteps(deployment, all, scaledSizes(deployment, sets, bounds), bounds, true);
    return { ...NOTHING, steps };
  }
  if (deployment.spec?.strategy?.type === 'Recreate') return recreate(scene, sets, bounds, failed);

  const size = rollingSize(wanted, sets, bounds);
  const current = currentSteps(scene, sets, size, bounds, failed);
  if (current.steps.length > 0 || current.collided) return current;
  const steps = scaleSteps(deployment, all, shrinkOlds(wanted, sets, bounds), bounds, false);
  return { ...current, steps };
}

/** All old pods go and have ended before the first new one is made. */
function recreate(scene: DeploymentScene, sets: Sets, bounds: Bounds, failed: Failure | undefined): Rollout {
  const { deployment } = scene;
  const downs: Sizes = new Map(sets.olds.filter((set) => replicasOf(set) > 0).map((set) => [set, 0]));
  if (downs.size > 0) return { ...NOTHING, steps: scaleSteps(deployment, sets.olds, downs, bounds, false) };
  if (sets.olds.some((set) => scene.hasRunningPods(set))) return NOTHING;
  return currentSteps(scene, sets, deployment.spec?.replicas ?? 0, bounds, failed);
}

/** Makes the set of the present template, or brings its size and annotations up to date. */
function currentSteps(
  scene: DeploymentScene,
  { current, olds }: Sets,
  size: number,
  bounds: Bounds,
  failed: Failure | undefined,
): Rollout {
  const { deployment } = scene;
  const annotations = newSetAnnotations(deployment, current, olds, bounds.maxSurge);
  const revision = revisionStep(deployment, annotations[REVISION]);
  if (!current) {
    const made = newSet(deployment, size, annotations);
    if (scene.setNamed(made.metadata.name)) return { ...NOTHING, collided: true };
    const refused = failed?.do === 'create' && failed.error.reason !== 'AlreadyExists';
    const news: News = refused
      ? { is: 'refused', failure: failed }
      : { is: 'created', set: made.metadata.name };
    return { steps: [createStep(deployment, made), ...revision], news, collided: false };
  }
  const news: News = { is: 'found', set: current.metadata.name };
  const changed = { ...current, metadata: { ...current.metadata, annotations } };
  changed.spec = { ...current.spec!, replicas: size, minReadySeconds: deployment.spec?.minReadySeconds };
  if (changed.spec.minReadySeconds === undefined) delete changed.spec.minReadySeconds;
  const same =
    canonicalJson(annotations) === canonicalJson(current.metadata.annotations ?? {}) &&
    replicasOf(current) === size &&
    (current.spec?.minReadySeconds ?? 0) === (deployment.spec?.minReadySeconds ?? 0);
  const steps = same ? [] : [updateStep(deployment, current, changed)];
  return { steps: [...steps, ...revision], news, collided: false };
}

function claimSteps(deployment: Deployment, adopt: ReplicaSet[], release: ReplicaSet[]): Step[] {
  return [
    ...adopt.map((set): Step => {
      const why = { reason: 'Adopted', message: 'it has no controller and matches the selector' };
      return {
        do: 'patch',
        kind: ReplicaSetKind,
        key: keyOf(set),
        patch: adoption(DeploymentKind, deployment, set),
        why,
      };
    }),
    ...release.map((set): Step => {
      const why = { reason: 'Released', message: 'it no longer matches the selector' };
      return { do: 'patch', kind: ReplicaSetKind, key: keyOf(set), patch: releasing(deployment, set), why };
    }),
  ];
}

/** Updates to the sizes given; with `announceSize` every active set also learns the Deployment's new size. */
function scaleSteps(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  sizes: Sizes,
  bounds: Bounds,
  announceSize: boolean,
): Step[] {
  const steps: Step[] = [];
  for (const set of sets) {
    const size = sizes.get(set) ?? replicasOf(set);
    const tell = announceSize ? replicasOf(set) > 0 || size > 0 : size !== replicasOf(set);
    if (!tell) continue;
    const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment, bounds.maxSurge) };
    if (
      size === replicasOf(set) &&
      canonicalJson(annotations) === canonicalJson(set.metadata.annotations ?? {})
    )
      continue;
    const changed = {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec!, replicas: size },
    };
    steps.push(updateStep(deployment, set, changed));
  }
  return steps;
}

function createStep(deployment: Deployment, set: ReplicaSet): Step {
  const size = replicasOf(set);
  const why = { reason: 'NewTemplate', message: 'no ReplicaSet has the present template' };
  return {
    do: 'create',
    kind: ReplicaSetKind,
    object: set,
    why,
    ...(size > 0 && scalingEvent(deployment, set, 0)),
  };
}

function updateStep(deployment: Deployment, before: ReplicaSet, after: ReplicaSet): Step {
  const [from, to] = [replicasOf(before), replicasOf(after)];
  const why =
    from === to
      ? { reason: 'AnnotationsChanged', message: 'annotations follow the Deployment' }
      : { reason: 'ScalingReplicaSet', message: `from ${from} to ${to}` };
  return {
    do: 'update',
    kind: ReplicaSetKind,
    object: after,
    why,
    ...(from !== to && scalingEvent(deployment, after, from)),
  };
}

function scalingEvent(
  deployment: Deployment,
  set: ReplicaSet,
  from: number,
): Pick<Step & { do: 'update' }, 'event'> {
  const to = replicasOf(set);
  const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${set.metadata.name} from ${from} to ${to}`;
  return { event: { about: deployment, type: 'Normal', why: { reason: 'ScalingReplicaSet', message } } };
}

/** Through the status, as Kubernetes: an annotation of the Deployment itself would be a new generation of it. */
function revisionStep(deployment: Deployment, revision: string | undefined): Step[] {
  if (revision === undefined || revision === deployment.metadata.annotations?.[REVISION]) return [];
  const why = { reason: 'NewRevision', message: `the rollout is revision ${revision}` };
  const patch = { type: 'merge' as const, body: { metadata: { annotations: { [REVISION]: revision } } } };
  return [{ do: 'patch', kind: DeploymentKind, key: keyOf(deployment), patch, subresource: 'status', why }];
}

function statusSteps(
  deployment: Deployment,
  status: NonNullable<Deployment['status']>,
  collided: boolean,
): Step[] {
  const next = withoutZeros(
    collided ? { ...status, collisionCount: (status.collisionCount ?? 0) + 1 } : status,
  );
  if (canonicalJson(next) === canonicalJson(deployment.status ?? {})) return [];
  const why = collided
    ? { reason: 'HashCollision', message: 'another template has the same hash' }
    : { reason: 'StatusChanged', message: 'its ReplicaSets have changed' };
  return [{ do: 'updateStatus', kind: DeploymentKind, object: { ...deployment, status: next }, why }];
}

/** Counts of zero are left out, as Kubernetes' encoding leaves them out. */
function withoutZeros<T extends object>(status: T): T {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0)) as T;
}

/** Old sets without pods beyond the history limit, the oldest revisions first. */
function cleanupSteps(deployment: Deployment, olds: readonly ReplicaSet[]): Step[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const alive = olds.filter((set) => !set.metadata.deletionTimestamp);
  const excess = alive.length - limit;
  if (excess <= 0) return [];
  const why = { reason: 'RevisionHistoryLimit', message: `only ${limit} old revisions are kept` };
  return [...alive]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, excess)
    .filter((set) => sum([set], replicasOf) === 0 && (set.status?.replicas ?? 0) === 0)
    .filter((set) => (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0))
    .map((set) => ({
      do: 'delete',
      kind: ReplicaSetKind,
      key: keyOf(set),
      options: { uid: set.metadata.uid, propagation: 'Background' },
      why,
    }));
}
