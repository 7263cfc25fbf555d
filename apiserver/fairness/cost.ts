import type { RequestInfo } from '../contract.ts';

/** Source: kube-apiserver's list work estimator. */
const OBJECTS_A_SEAT = 100;

/**
 * The seats a request is worth, before its level's limit: one, or for what goes over many objects one for each hundred.
 * `count` tells how many objects of the resource there are. Source: Kubernetes, "API Priority and Fairness", seats.
 */
export function seatsOf(info: RequestInfo, count: (info: RequestInfo) => number): number {
  if (!goesOverMany(info) || info.name !== '') return 1;
  const limit = Number(info.query.get('limit') ?? 0);
  const objects = limit > 0 ? Math.min(limit, count(info)) : count(info);
  return Math.max(1, Math.ceil(objects / OBJECTS_A_SEAT));
}

function goesOverMany({ verb, query }: RequestInfo): boolean {
  if (verb === 'list' || verb === 'deletecollection') return true;
  return verb === 'watch' && query.get('sendInitialEvents') === 'true';
}
