import type { AuthorityState } from '#api/semantics/authorities.ts';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { validityOf } from '#machinery/pki/certificate.ts';
import type { RotationStep } from './plan.ts';

/** When the next step of an authority is taken without anybody asking for it, in ms of the epoch. */
export interface DueStep {
  step: RotationStep;
  dueMs: number;
  /** From then on also without those who have not followed: the old one ends with or without them. */
  forcedMs: number;
}

/** Parts of the life of an authority; of ten years: two years, half a year, five weeks. */
const START_LEFT = 0.2;
const HALF_YEAR = 0.05;
const WEEKS = 0.01;
/** Clocks differ, and renewals are tried again. */
const SPARE = 1.1;

/**
 * A new authority is made when a fifth of the old one's life is left; it is trusted for a while before it signs, for machines that are
 * switched off; and the old one is dropped when the last leaf that it signed, which lives for `leafMs` at most, has ended.
 */
export function dueStep(state: AuthorityState, leafMs: number): DueStep {
  const certificates = certificatesIn(state.bundle).map(validityOf);
  const [first, second] = certificates;
  const old = state.phase === 'issue' && second ? second : first!;
  const lifeMs = old.untilMs - old.fromMs;
  // Before that was noted: when the newest was made.
  const sinceMs = state.sinceMs ?? Math.max(...certificates.map(({ fromMs }) => fromMs));
  const lateMs = old.untilMs - HALF_YEAR * lifeMs;
  switch (state.phase) {
    case 'stable':
      return { step: 'trust', dueMs: old.untilMs - START_LEFT * lifeMs, forcedMs: lateMs };
    case 'trust': {
      // However late it was begun, there is time to follow.
      const forcedMs = Math.min(old.untilMs, Math.max(lateMs, sinceMs + WEEKS * lifeMs));
      return { step: 'issue', dueMs: Math.min(sinceMs + HALF_YEAR * lifeMs, forcedMs), forcedMs };
    }
    case 'issue':
      return {
        ...{ step: 'drop', forcedMs: old.untilMs },
        dueMs: Math.min(sinceMs + SPARE * leafMs, old.untilMs),
      };
  }
}

/** What is done about it now. `waits`: there are those who have not followed the last step. */
export function actionFor({ dueMs, forcedMs }: DueStep, waits: boolean, now: number) {
  if (now < dueMs) return 'nothing';
  if (!waits) return 'take';
  return now < forcedMs ? 'wait' : 'force';
}
