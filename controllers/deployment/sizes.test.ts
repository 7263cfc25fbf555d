import { describe, expect, it } from 'vitest';
import type { ReplicaSet } from '#api/objects.ts';
import { deployment, replicaSet } from '../framework/worlds.ts';
import { boundsOf } from './sets.ts';
import { rollingSize, scaledSizes, shrinkOlds, wasScaled } from './sizes.ts';

let age = 0;

function set(name: string, replicas: number, available = replicas, told?: [number, number]): ReplicaSet {
  const made = replicaSet(name, replicas);
  made.status = { replicas, availableReplicas: available };
  made.metadata.creationTimestamp = new Date(Date.UTC(2026, 0, 1) + age++ * 1000).toISOString();
  if (told) {
    made.metadata.annotations = {
      'deployment.kubernetes.io/desired-replicas': String(told[0]),
      'deployment.kubernetes.io/max-replicas': String(told[1]),
    };
  }
  return made;
}

const bounds = (maxSurge: number, maxUnavailable: number) => ({ maxSurge, maxUnavailable });
const named = (sizes: Map<ReplicaSet, number>) =>
  Object.fromEntries([...sizes].map(([one, size]) => [one.metadata.name, size]));

describe('bounds of a rollout', () => {
  const of = (replicas: number, maxSurge: number | string, maxUnavailable: number | string) => {
    const rollingUpdate = { maxSurge, maxUnavailable } as never;
    return boundsOf(deployment('web', replicas, { strategy: { type: 'RollingUpdate', rollingUpdate } }));
  };
  it.each([
    [10, '25%', '25%', 3, 2],
    [1, '25%', '25%', 1, 0],
    [4, 0, 0, 0, 1],
    [3, 0, '10%', 0, 1],
    [3, 1, 7, 1, 3],
  ])(
    'of %d replicas with %s and %s are %d and %d',
    (replicas, surge, unavailable, maxSurge, maxUnavailable) => {
      expect(of(replicas, surge, unavailable)).toEqual({ maxSurge, maxUnavailable });
    },
  );
});

describe('the new set in a rolling update', () => {
  it.each([
    // wanted, new, old, surge → size
    [3, undefined, 0, 1, 3],
    [3, undefined, 3, 1, 1],
    [10, 0, 10, 3, 3],
    [10, 3, 10, 3, 3],
    [10, 3, 8, 3, 5],
    [10, 9, 0, 3, 10],
    [3, 5, 0, 1, 3],
  ])('of %s with new %s, old %s and surge %s becomes %s', (wanted, mine, old, surge, size) => {
    const current = mine === undefined ? undefined : set('new', mine);
    expect(rollingSize(wanted, { current, olds: old ? [set('old', old)] : [] }, bounds(surge, 1))).toBe(size);
  });
});

describe('old sets in a rolling update', () => {
  it('shrink by what availability allows', () => {
    expect(
      named(shrinkOlds(10, { current: set('new', 3, 0), olds: [set('old', 10)] }, bounds(3, 2))),
    ).toEqual({
      old: 8,
    });
    expect(named(shrinkOlds(10, { current: set('new', 3, 3), olds: [set('old', 8)] }, bounds(3, 2)))).toEqual(
      {
        old: 5,
      },
    );
  });

  it('do not shrink while new pods are not available', () => {
    expect(named(shrinkOlds(10, { current: set('new', 5, 0), olds: [set('old', 8)] }, bounds(3, 2)))).toEqual(
      {},
    );
  });

  it('lose their broken pods first, whatever is available', () => {
    const olds = [set('broken', 4, 0), set('good', 6, 6)];
    expect(named(shrinkOlds(10, { current: set('new', 3, 3), olds }, bounds(3, 2)))).toEqual({
      broken: 0,
      good: 5,
    });
  });

  it('go to nothing once the new one carries all', () => {
    expect(named(shrinkOlds(3, { current: set('new', 3, 3), olds: [set('old', 1)] }, bounds(1, 0)))).toEqual({
      old: 0,
    });
  });
});

describe('scaling in the middle of a rollout', () => {
  const scaled = (wanted: number, current: ReplicaSet, olds: ReplicaSet[], surge: number) =>
    named(scaledSizes(deployment('web', wanted), { current, olds }, bounds(surge, 1)));

  it('is noticed by the size that the sets were told', () => {
    expect(wasScaled(10, [set('a', 5, 5, [5, 7])])).toBe(true);
    expect(wasScaled(5, [set('a', 5, 5, [5, 7])])).toBe(false);
    expect(wasScaled(5, [set('empty', 0, 0, [9, 9])])).toBe(false);
  });

  it('gives a lone set the whole size', () => {
    expect(scaled(7, set('new', 3, 3, [3, 4]), [set('old', 0)], 1)).toEqual({ new: 7 });
  });

  it('shares what is added by size, the rest to the largest', () => {
    // Kubernetes documentation: 10 replicas, surge 3, rolled to 8 old and 5 new, scaled to 15.
    const olds = [set('old', 8, 8, [10, 13])];
    expect(scaled(15, set('new', 5, 0, [10, 13]), olds, 3)).toEqual({ old: 11, new: 7 });
  });

  it('shares what is taken away', () => {
    const olds = [set('old', 8, 8, [10, 13])];
    const sizes = scaled(5, set('new', 5, 5, [10, 13]), olds, 3);
    expect(sizes.old! + sizes.new!).toBe(8);
  });

  it('takes all to nothing when nothing is wanted', () => {
    const olds = [set('old', 8, 8, [10, 13])];
    expect(scaled(0, set('new', 5, 5, [10, 13]), olds, 0)).toEqual({ old: 0, new: 0 });
  });

  it('empties the old sets when the new one is saturated', () => {
    expect(scaled(3, set('new', 3, 3, [3, 4]), [set('old', 2, 2, [4, 5])], 1)).toEqual({ old: 0 });
  });
});
