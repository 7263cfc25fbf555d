/**
 * How large each ReplicaSet should be next: rolling, recreating and proportional scaling, as numbers. What stays as it
 * is, is left out. Source: Kubernetes documentation, "Deployments", rolling update and proportional scaling.
 */
import type { Deployment, ReplicaSet } from '#api/objects.ts';
import { annotationNumber, DESIRED_REPLICAS, MAX_REPLICAS } from './annotations.ts';
import { availableOf, type Bounds, olderFirst, replicasOf, type Sets, sum } from './sets.ts';

export type Sizes = Map<ReplicaSet, number>;

/** Size of the current set in a rolling update, also of one that is still to be made (`current` undefined). */
export function rollingSize(wanted: number, { current, olds }: Sets, { maxSurge }: Bounds): number {
  const mine = current ? replicasOf(current) : 0;
  if (mine > wanted) return wanted;
  const room = wanted + maxSurge - mine - sum(olds, replicasOf);
  return room <= 0 ? mine : mine + Math.min(room, wanted - mine);
}

/** Sizes of the old sets in a rolling update: unhealthy pods go first, then as many as availability allows. */
export function shrinkOlds(wanted: number, { current, olds }: Sets, bounds: Bounds): Sizes {
  const sizes: Sizes = new Map();
  const minAvailable = wanted - bounds.maxUnavailable;
  const all = sum(olds, replicasOf) + (current ? replicasOf(current) : 0);
  const currentUnavailable = current ? replicasOf(current) - availableOf(current) : 0;
  const mayGo = all - minAvailable - currentUnavailable;
  if (mayGo <= 0) return sizes;

  const byAge = [...olds].sort(olderFirst);
  let unhealthy = mayGo;
  for (const set of byAge) {
    const broken = Math.min(unhealthy, replicasOf(set) - availableOf(set));
    if (broken <= 0) continue;
    sizes.set(set, replicasOf(set) - broken);
    unhealthy -= broken;
  }

  let healthy = sum(olds, availableOf) + (current ? availableOf(current) : 0) - minAvailable;
  for (const set of byAge) {
    if (healthy <= 0) break;
    const size = sizes.get(set) ?? replicasOf(set);
    const going = Math.min(size, healthy);
    if (going === 0) continue;
    sizes.set(set, size - going);
    healthy -= going;
  }
  return sizes;
}

/** Whether the Deployment was scaled since its ReplicaSets were last told. */
export function wasScaled(wanted: number, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    if (replicasOf(set) === 0) return false;
    const known = annotationNumber(set, DESIRED_REPLICAS);
    return known !== undefined && known !== wanted;
  });
}

/** Sizes after the Deployment was scaled, or while it is paused. Every set named must get new annotations too. */
export function scaledSizes(deployment: Deployment, { current, olds }: Sets, bounds: Bounds): Sizes {
  const wanted = deployment.spec?.replicas ?? 0;
  const active = [...olds, ...(current ? [current] : [])].filter((set) => replicasOf(set) > 0);
  const only = onlyOne(active, current, olds);
  if (only) return new Map(replicasOf(only) === wanted ? [] : [[only, wanted]]);
  if (current && isSaturated(current, wanted)) {
    return new Map(active.filter((set) => set !== current).map((set) => [set, 0]));
  }
  if (deployment.spec?.strategy?.type === 'Recreate') return new Map();
  return proportional(deployment, active, wanted > 0 ? wanted + bounds.maxSurge : 0, bounds);
}

/** The only active set, or the latest when none is; undefined when there are several. */
function onlyOne(
  active: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  olds: readonly ReplicaSet[],
): ReplicaSet | undefined {
  if (active.length > 1) return undefined;
  return active[0] ?? current ?? [...olds].sort(olderFirst).at(-1);
}

function isSaturated(set: ReplicaSet, wanted: number): boolean {
  return (
    replicasOf(set) === wanted &&
    annotationNumber(set, DESIRED_REPLICAS) === wanted &&
    availableOf(set) === wanted
  );
}

/** Shares growth or shrinkage between the active sets by their size; what rounding leaves goes to the largest. */
function proportional(
  deployment: Deployment,
  active: readonly ReplicaSet[],
  allowed: number,
  bounds: Bounds,
): Sizes {
  const toAdd = allowed - sum(active, replicasOf);
  const sign = toAdd > 0 ? -1 : 1;
  const ordered = [...active].sort((a, b) => replicasOf(b) - replicasOf(a) || sign * olderFirst(a, b));
  const sizes: Sizes = new Map();
  let added = 0;
  for (const set of ordered) {
    const share = toAdd === 0 ? 0 : shareOf(deployment, set, toAdd - added, bounds);
    sizes.set(set, replicasOf(set) + share);
    added += share;
  }
  const [largest] = ordered;
  if (largest) sizes.set(largest, Math.max(0, sizes.get(largest)! + toAdd - added));
  return sizes;
}

function shareOf(deployment: Deployment, set: ReplicaSet, left: number, { maxSurge }: Bounds): number {
  const mine = replicasOf(set);
  const wanted = deployment.spec?.replicas ?? 0;
  if (left === 0 || mine === 0) return 0;
  if (wanted === 0) return left > 0 ? 0 : Math.max(-mine, left);
  const before = annotationNumber(set, MAX_REPLICAS) || deployment.status?.replicas || wanted;
  const fraction = Math.round((mine * (wanted + maxSurge)) / before) - mine;
  return left > 0 ? Math.min(Math.max(fraction, 0), left) : Math.max(Math.min(fraction, 0), left);
}
