import type { Pod } from '#api/objects.ts';
import type { Allocation, Verdict } from '../spec/allocation.ts';

/** What a pod must ask of the others of its node before it may grow. */
export interface Neighbours {
  /** Whether the pod may have what its spec asks for. */
  judge(pod: Pod): Verdict;
  /** Notes on disk what it was granted, and lets the others know that something may be free now. */
  commit(uid: string, allocation: Allocation): Promise<void>;
}
