import { type Random, seededRandom } from '#machinery/random.ts';

/** Choices from one seed: the same seed makes the same choices. */
export class Dice {
  readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** A whole number from 0 up to but not including `end`. */
  below(end: number): number {
    return Math.floor(this.random.next() * end);
  }

  /** True in `share` of all cases. */
  chance(share: number): boolean {
    return this.random.next() < share;
  }

  /** One of the list, which is not empty. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** One of the list, most often one near its start. */
  pickEarly<T>(from: readonly T[]): T {
    return from[Math.floor(this.random.next() ** 2 * from.length)]!;
  }
}
