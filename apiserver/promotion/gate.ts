import type { Store } from '#store/contract.ts';

/** What changes a store, and has a caller who is told how it went. */
const WRITES = ['commit', 'grantLease', 'revokeLease'] as const;

/**
 * A store whose writes can be held: they wait, unanswered, until they are let through or refused for good. Reads and watches go on.
 * How many wait is bounded by how many requests the server works on.
 */
export class WriteGate {
  /** The same store, through the gate. */
  readonly store: Store;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #held: Promise<void> | undefined;
  #open: (() => void) | undefined;
  #refusal: Error | undefined;

  constructor(store: Store) {
    const guarded = new Map<PropertyKey, unknown>(
      WRITES.map((name) => [
        name,
        (...args: unknown[]) =>
          this.#pass(() => (store[name] as (...args: unknown[]) => unknown).apply(store, args)),
      ]),
    );
    this.store = new Proxy(store, {
      get(target, name) {
        const value = guarded.get(name) ?? Reflect.get(target, name, target);
        return typeof value === 'function' && !guarded.has(name) ? value.bind(target) : value;
      },
    });
  }

  /** Holds what comes from now on; resolves when nothing is under way any more. */
  async hold(): Promise<void> {
    this.#held ??= new Promise((resolve) => {
      this.#open = resolve;
    });
    if (this.#underWay > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
  }

  /** Lets through what was held. Not after `refuse`. */
  release(): void {
    this.#held = undefined;
    this.#open?.();
  }

  /** Rejects what is held and whatever comes later. */
  refuse(error: Error): void {
    this.#refusal = error;
    this.#open?.();
  }

  async #pass(write: () => unknown): Promise<unknown> {
    while (this.#held && !this.#refusal) await this.#held;
    if (this.#refusal) throw this.#refusal;
    this.#underWay++;
    try {
      return await write();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#idle?.();
    }
  }
}
