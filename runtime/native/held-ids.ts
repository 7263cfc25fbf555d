import { RuntimeError, type SandboxSpec } from '../contract.ts';
import { validateUserNamespace } from '../validate.ts';

/** Keeps ids of user namespaces apart, also of sandboxes that are being made at the same time. */
export class HeldIds {
  readonly #whyNone: string | undefined;
  readonly #creating = new Set<SandboxSpec>();

  /** `whyNone`: why this node can make no user namespaces; undefined: it can. */
  constructor(whyNone: string | undefined) {
    this.#whyNone = whyNone;
  }

  /** Makes a sandbox. Throws RuntimeError InvalidSpec where one of `others` has its ids, Unsupported on a node that cannot. */
  async hold<T>(
    spec: SandboxSpec,
    others: Iterable<{ record: { spec: SandboxSpec } }>,
    make: () => Promise<T>,
  ): Promise<T> {
    validateUserNamespace(spec, [...Array.from(others, ({ record }) => record.spec), ...this.#creating]);
    if (spec.userNamespace && this.#whyNone !== undefined) {
      const why = `this node cannot give a pod a user namespace: ${this.#whyNone}`;
      throw new RuntimeError('Unsupported', why, 'new user namespace');
    }
    this.#creating.add(spec);
    try {
      return await make();
    } finally {
      this.#creating.delete(spec);
    }
  }
}
