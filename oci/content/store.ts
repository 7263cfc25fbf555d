import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, ImageError } from '../contract.ts';

/** Reads no more than this of a manifest or config into memory. */
const DOCUMENT_LIMIT_BYTES = 8 * 1024 * 1024;

const START_BYTES = 16;

/** What is read and written at once of a blob: larger ones cost memory, smaller ones time. */
const PIECE_BYTES = 256 * 1024;

/**
 * Blobs by digest in `<directory>/blobs/sha256/`. A blob appears under its name only when it is whole, verified and
 * durable; whatever else a crash leaves lies in `ingest/` and is removed at the next start.
 */
export class ContentStore {
  readonly #blobs: string;
  readonly #ingest: string;
  #lastIngest = 0;

  private constructor(directory: string) {
    this.#blobs = join(directory, 'blobs', 'sha256');
    this.#ingest = join(directory, 'ingest');
  }

  static async open(directory: string): Promise<ContentStore> {
    const store = new ContentStore(directory);
    await rm(store.#ingest, { recursive: true, force: true });
    await mkdir(store.#ingest, { recursive: true, mode: 0o700 });
    await mkdir(store.#blobs, { recursive: true, mode: 0o700 });
    return store;
  }

  /** Whether the blob is here, whole. */
  async has(digest: Digest): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  /** A whole small blob; ImageError NotFound when it is not here. */
  async read(digest: Digest): Promise<Uint8Array> {
    const found = await stat(this.#path(digest)).catch(ifMissing);
    if (!found) throw new ImageError('NotFound', `the blob ${digest} is not in the content store`);
    if (found.size > DOCUMENT_LIMIT_BYTES)
      throw new ImageError('Invalid', `${digest} is too large for a document`);
    return readFile(this.#path(digest));
  }

  /** In bytes; undefined when it is not here. */
  async size(digest: Digest): Promise<number | undefined> {
    return (await stat(this.#path(digest)).catch(ifMissing))?.size;
  }

  /** Its first bytes, as many as tell what it is. */
  async start(digest: Digest): Promise<Uint8Array> {
    const file = await open(this.#path(digest), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  stream(digest: Digest, start = 0): AsyncIterable<Uint8Array> {
    return createReadStream(this.#path(digest), { start, highWaterMark: PIECE_BYTES });
  }

  /**
   * Takes in a blob and returns its digest. `expected` is verified while it streams; a blob larger than
   * `expected.size` is cut off at once. Nothing stays when it fails.
   */
  async write(
    source: AsyncIterable<Uint8Array>,
    expected?: { digest: Digest; size?: number },
    onBytes: (bytes: number) => void = () => {},
  ): Promise<{ digest: Digest; size: number }> {
    const temporary = join(this.#ingest, `${++this.#lastIngest}`);
    const file = await open(temporary, 'wx', 0o600);
    const pieces = new Pieces(file);
    try {
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of source) {
        size += chunk.length;
        if (expected?.size !== undefined && size > expected.size)
          throw sizeMismatch(expected.digest, size, expected.size);
        hash.update(chunk);
        await pieces.add(chunk);
        onBytes(chunk.length);
      }
      await pieces.flush();
      const digest = `sha256:${hash.digest('hex')}`;
      if (expected?.size !== undefined && size !== expected.size)
        throw sizeMismatch(expected.digest, size, expected.size);
      if (expected && digest !== expected.digest) {
        throw new ImageError('DigestMismatch', `${digest} came when ${expected.digest} was asked for`);
      }
      await file.sync();
      await rename(temporary, this.#path(digest));
      return { digest, size };
    } catch (error) {
      await rm(temporary, { force: true });
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
        throw new ImageError('NoSpace', 'no space left on the device for the image');
      }
      throw error;
    } finally {
      await file.close();
    }
  }

  async list(): Promise<Digest[]> {
    return (await readdir(this.#blobs)).map((name) => `sha256:${name}`);
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }

  #path(digest: Digest): string {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new ImageError('Invalid', `"${digest}" is not a digest`);
    return join(this.#blobs, digest.slice('sha256:'.length));
  }
}

/** Writes many small chunks as few large pieces: networks give 16 KiB at a time, and each write is a turn of a thread. */
class Pieces {
  readonly #file: FileHandle;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= PIECE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const piece = Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [];
    this.#bytes = 0;
    await this.#file.writeFile(piece);
  }
}

/** For `.catch`: undefined when the file is not there, the error otherwise. */
export function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

function sizeMismatch(digest: Digest, got: number, wanted: number): ImageError {
  return new ImageError(
    'DigestMismatch',
    `the blob ${digest} has ${got} bytes or more; the manifest says ${wanted}`,
  );
}
