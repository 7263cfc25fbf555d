import type { Score } from '../contract.ts';
import { preferredAffinity, taintPreference } from './preferences.ts';
import { balanced, leastAllocated } from './resources.ts';
import { spread } from './spread.ts';

/** Added up by weight; the order does not matter. */
export const SCORES: readonly Score[] = [
  leastAllocated,
  balanced,
  spread,
  taintPreference,
  preferredAffinity,
];
