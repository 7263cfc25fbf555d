import type { Op } from '#store/contract.ts';

/** One commit of many: below the limits of every store (128 operations, 1.5 MiB in etcd), with room for a check beside them. */
export const BATCH_OPS = 100;
const BATCH_BYTES = 512 * 1024;

/** Operations gathered into commits, in their order. */
export class Batches {
  readonly #commit: (ops: Op[]) => Promise<unknown>;
  #ops: Op[] = [];
  #bytes = 0;

  constructor(commit: (ops: Op[]) => Promise<unknown>) {
    this.#commit = commit;
  }

  async add(op: Op): Promise<void> {
    const bytes = op.op === 'put' ? op.value.length : 0;
    if (this.#ops.length === BATCH_OPS || this.#bytes + bytes > BATCH_BYTES) await this.flush();
    this.#ops.push(op);
    this.#bytes += bytes;
  }

  /** Commits what has been gathered, if anything. */
  async flush(): Promise<void> {
    const ops = this.#ops;
    this.#ops = [];
    this.#bytes = 0;
    if (ops.length > 0) await this.#commit(ops);
  }
}
