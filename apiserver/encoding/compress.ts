/** Large answers, packed for clients that ask. Source: kube-apiserver's APIResponseCompression. */
import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import type { TransportResponse } from '#machinery/transport.ts';

const GZIP_FROM_BYTES = 128 * 1024;
/** What is kept of packed answers: many clients list the same when they start anew together. */
const KEPT_BYTES = 16 * 1024 * 1024;

const gzip = promisify(gzipCallback);

export class Compressor {
  /** By variant, the one that was not used for the longest time first. */
  readonly #kept = new Map<string, Promise<Buffer>>();
  #keptBytes = 0;

  /** The answer as it is, or packed. Answers of the same variant are packed once. */
  async pack(response: TransportResponse, accepted: string | undefined): Promise<TransportResponse> {
    const { body, status, variant } = response;
    if (!accepted?.includes('gzip') || !(body instanceof Uint8Array) || body.length < GZIP_FROM_BYTES)
      return response;
    const headers = { ...response.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' };
    const known = variant === undefined ? undefined : this.#kept.get(variant);
    const packing = known ?? gzip(body, { level: 1 });
    if (variant !== undefined) this.#use(variant, packing, known !== undefined);
    try {
      return { status, headers, body: await packing };
    } finally {
      response.release?.();
    }
  }

  #use(variant: string, packing: Promise<Buffer>, isKnown: boolean): void {
    this.#kept.delete(variant);
    this.#kept.set(variant, packing);
    if (isKnown) return;
    packing.then(
      (packed) => {
        this.#keptBytes += packed.length;
        void this.#forget();
      },
      () => this.#kept.delete(variant),
    );
  }

  async #forget(): Promise<void> {
    for (const [variant, packing] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES) return;
      if (this.#kept.delete(variant)) this.#keptBytes -= (await packing).length;
    }
  }
}
