import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { type Digest, ImageError, type Unpacker } from '../contract.ts';
import { type Compression, sniffCompression } from '../media-types.ts';
import { ifMissing } from './store.ts';

/** Refuses layers that unpack to more: a bound against decompression bombs. */
const LAYER_LIMIT_BYTES = 32 * 1024 ** 3;

/**
 * Unpacked layers, by the digest of their uncompressed tar, in `<directory>/layers/<hex>/fs`. A layer is unpacked once,
 * whoever asks; it appears under its name only when it is whole and its digest is the one the image's config promised.
 */
export class LayerStore {
  readonly #directory: string;
  readonly #unpacker: Unpacker;
  readonly #running = new Map<Digest, Promise<void>>();

  private constructor(directory: string, unpacker: Unpacker) {
    this.#directory = directory;
    this.#unpacker = unpacker;
  }

  static async open(directory: string, unpacker: Unpacker): Promise<LayerStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      if (name.startsWith('new-')) await rm(join(directory, name), { recursive: true, force: true });
    }
    return new LayerStore(directory, unpacker);
  }

  /** The layer's directory: a lowerdir of overlayfs. */
  path(diffId: Digest): string {
    return join(this.#directory, diffId.slice('sha256:'.length), 'fs');
  }

  /** Bytes of the layer's uncompressed tar; undefined when it is not here. */
  async size(diffId: Digest): Promise<number | undefined> {
    const text = await readFile(join(this.path(diffId), '..', 'size'), 'utf8').catch(ifMissing);
    return text === undefined ? undefined : Number(text);
  }

  /** Unpacks a layer unless it is here; concurrent calls for one layer join. */
  async ensure(diffId: Digest, blob: () => AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    if ((await this.size(diffId)) !== undefined) return;
    let running = this.#running.get(diffId);
    if (!running) {
      running = this.#unpack(diffId, blob(), signal).finally(() => this.#running.delete(diffId));
      this.#running.set(diffId, running);
    }
    await running;
  }

  async list(): Promise<Digest[]> {
    return (await readdir(this.#directory))
      .filter((name) => !name.startsWith('new-'))
      .map((name) => `sha256:${name}`);
  }

  async remove(diffId: Digest): Promise<void> {
    const name = diffId.slice('sha256:'.length);
    const gone = join(this.#directory, `new-removed-${name}`);
    const error = await rename(join(this.#directory, name), gone).then(() => undefined, ifMissing);
    if (error === undefined) await rm(gone, { recursive: true, force: true });
  }

  async #unpack(diffId: Digest, blob: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const name = diffId.slice('sha256:'.length);
    const temporary = join(this.#directory, `new-${name}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(join(temporary, 'fs'), { recursive: true, mode: 0o755 });
    const measured = new Measured(decompress(blob));
    try {
      await this.#unpacker.unpack(measured, join(temporary, 'fs'), signal);
      await measured.drain();
      if (measured.digest !== diffId) {
        throw new ImageError(
          'DigestMismatch',
          `a layer unpacks to ${measured.digest}; the image's config says ${diffId}`,
        );
      }
      await writeFile(join(temporary, 'size'), String(measured.size));
      await rename(temporary, join(this.#directory, name));
    } catch (error) {
      await measured.close();
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  }
}

/** Counts and hashes what flows through. */
class Measured implements AsyncIterable<Uint8Array> {
  size = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #hash = createHash('sha256');

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  get digest(): Digest {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }

  async *[Symbol.asyncIterator]() {
    for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) {
      this.size += next.value.length;
      if (this.size > LAYER_LIMIT_BYTES)
        throw new ImageError('Unsupported', 'a layer unpacks to more than 32 GiB');
      this.#hash.update(next.value);
      yield next.value;
    }
  }

  /** Lets go of the source before its end. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** Reads what the unpacker left after the end of the archive: it belongs to the digest. */
  async drain(): Promise<void> {
    for await (const _ of this);
  }
}

/** The uncompressed tar; gzip and zstd are told by their first bytes. */
async function* decompress(blob: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = blob[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done) throw new ImageError('Invalid', 'a layer is empty');
  const rest = (async function* () {
    yield first.value;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
  })();
  const decoder = DECODERS[sniffCompression(first.value)]();
  try {
    if (decoder) yield* pipeline(Readable.from(rest), decoder, ignoreEnd) as AsyncIterable<Uint8Array>;
    else yield* rest;
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError('Invalid', `a layer cannot be decompressed: ${(error as Error).message}`);
  }
}

/** The reader of the last stream gets the error: nobody else needs it. */
function ignoreEnd(): void {}

const DECODERS: Record<Compression, () => Transform | undefined> = {
  none: () => undefined,
  gzip: () => createGunzip(),
  zstd: () => createZstdDecompress(),
};
