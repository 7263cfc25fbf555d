import { rfc3339 } from '#machinery/clock.ts';

/** What all condition types of the API share. */
export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/**
 * The list with `condition` in it, in the place of the one with its type. lastTransitionTime is `nowMs` when the status
 * changed and stays otherwise. Returns the same list when nothing changed.
 * Source: Kubernetes API conventions, "Typical status properties".
 */
export function withCondition<C extends Condition>(list: C[] | undefined, condition: C, nowMs: number): C[] {
  const old = list?.find((other) => other.type === condition.type);
  const changed = old?.status !== condition.status;
  const next: C = {
    ...old,
    ...condition,
    lastTransitionTime: (changed ? undefined : old?.lastTransitionTime) ?? rfc3339(nowMs),
  };
  if (!old) return [...(list ?? []), next];
  const keys = Object.keys(next) as (keyof C)[];
  if (keys.every((key) => next[key] === old[key])) return list!;
  return list!.map((other) => (other === old ? next : other));
}

/** The condition of a type. */
export function conditionOf<C extends Condition>(
  list: readonly C[] | undefined,
  type: string,
): C | undefined {
  return list?.find((condition) => condition.type === type);
}
