import type { PriorityLevel } from './configuration.ts';
import type { Limits } from './level.ts';

/** No request takes more seats than this, nor more than these parts of its level. Source: kube-apiserver's work estimator. */
const MOST_SEATS = 10;
const WIDEST_PART = 0.15;
/** Source: the defaults of flowcontrol.apiserver.k8s.io/v1. */
const DEFAULT_SHARES = 30;
const DEFAULT_QUEUING = { queues: 64, handSize: 8, queueLengthLimit: 50 };

/**
 * The limits of each level of a configuration: the server's concurrency divided by the levels' shares. Source: Kubernetes,
 * "API Priority and Fairness", NominalCL, LendableCL and BorrowingCL.
 */
export function limitsOf(levels: readonly PriorityLevel[], concurrency: number): Map<string, Limits> {
  const shares = levels.map(sharesOf);
  const sum = shares.reduce((a, b) => a + b, 0);
  return new Map(
    levels.map((level, at) => {
      const nominal = sum > 0 ? Math.ceil((concurrency * shares[at]!) / sum) : 0;
      return [level.name, limits(level, nominal)];
    }),
  );
}

function sharesOf({ spec }: PriorityLevel): number {
  if (spec.type === 'Exempt') return spec.exempt?.nominalConcurrencyShares ?? 0;
  return spec.limited?.nominalConcurrencyShares ?? DEFAULT_SHARES;
}

function limits({ spec }: PriorityLevel, nominal: number): Limits {
  if (spec.type === 'Exempt') {
    const everything = Number.POSITIVE_INFINITY;
    return {
      exempt: true,
      nominal,
      own: everything,
      most: everything,
      widest: MOST_SEATS,
      queues: undefined,
    };
  }
  const { lendablePercent = 0, borrowingLimitPercent, limitResponse } = spec.limited ?? {};
  const queuing = { ...DEFAULT_QUEUING, ...limitResponse?.queuing };
  const { queues, handSize, queueLengthLimit } = queuing;
  const isQueued = limitResponse?.type === 'Queue';
  return {
    exempt: false,
    nominal,
    own: nominal - Math.round((nominal * lendablePercent) / 100),
    most:
      borrowingLimitPercent == null
        ? Number.POSITIVE_INFINITY
        : nominal + Math.round((nominal * borrowingLimitPercent) / 100),
    widest: Math.max(
      1,
      Math.floor(Math.min(MOST_SEATS, nominal * WIDEST_PART, isQueued ? nominal / handSize : nominal)),
    ),
    queues: isQueued
      ? { flows: queues, ofOneFlow: handSize * queueLengthLimit, inAll: queues * queueLengthLimit }
      : undefined,
  };
}
