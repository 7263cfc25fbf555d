import type { AdmissionPlugin } from '../contract.ts';

/** For tests: an admission plugin that holds the objects of one name until it is opened. */
export class Gate implements AdmissionPlugin {
  readonly name = 'gate';
  readonly #held: string;
  readonly #opened: Promise<void>;
  #arrive!: () => void;
  open!: () => void;
  /** Resolves once a request waits. */
  readonly reached = new Promise<void>((resolve) => {
    this.#arrive = resolve;
  });

  constructor(held: string) {
    this.#held = held;
    this.#opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  validate({ name }: { name: string }): Promise<void> | undefined {
    if (name !== this.#held) return undefined;
    this.#arrive();
    return this.#opened;
  }
}
