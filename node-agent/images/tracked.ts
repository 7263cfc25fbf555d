import type { Clock } from '#machinery/clock.ts';
import { type Digest, type Image, ImageError, type ImageStore } from '#oci/contract.ts';

/**
 * An ImageStore that knows when each image was last asked for, and removes one only if nobody does so meanwhile: a pod
 * must never get an image that goes the next moment. What was before this start is unknown, as it is to kubelet.
 */
export class TrackedImages {
  readonly #store: ImageStore;
  readonly #clock: Clock;
  readonly #used = new Map<Digest, number>();
  readonly #onChange: () => void;
  #turn: Promise<unknown> = Promise.resolve();

  /** `onChange` is told when an image has come or gone through this. */
  constructor(store: ImageStore, clock: Clock, onChange: () => void = () => undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get(reference: string): Promise<Image | undefined> {
    return this.#inTurn(() => this.#take(reference));
  }

  async pull(...[reference, options]: Parameters<ImageStore['pull']>): Promise<Image> {
    const { id } = await this.#store.pull(reference, options);
    this.#onChange();
    const image = await this.get(id);
    if (!image)
      throw new ImageError('NotFound', `the image ${reference} was removed as soon as it was there`);
    return image;
  }

  list(): Promise<Image[]> {
    return this.#store.list();
  }

  /** Notes that these are used now, and forgets those that are no more. */
  note(present: readonly Digest[], inUse: ReadonlySet<Digest>): void {
    const now = this.#clock.now();
    const there = new Set(present);
    for (const id of this.#used.keys()) if (!there.has(id)) this.#used.delete(id);
    for (const id of inUse) if (there.has(id)) this.#used.set(id, now);
  }

  /** 0 = not since this start. */
  lastUsedMs(id: Digest): number {
    return this.#used.get(id) ?? 0;
  }

  /** Removes the image with all its names; false when it was used after `sinceMs`. */
  removeUnused(id: Digest, sinceMs: number): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.lastUsedMs(id) > sinceMs) return false;
      await this.#store.remove(id, new Set());
      this.#used.delete(id);
      this.#onChange();
      return true;
    });
  }

  async #take(reference: string): Promise<Image | undefined> {
    const image = await this.#store.get(reference);
    if (image) this.#used.set(image.id, this.#clock.now());
    return image;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
