import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { createTarDecoder } from 'modern-tar';
import { ImageError } from '../contract.ts';
import { parseObject } from '../manifest.ts';

/** What of an archive may come into memory: whoever made it is a stranger. */
export interface ArchiveLimits {
  /** A document is read whole, up to this. */
  documentBytes: number;
  /** Files and links. */
  entries: number;
  /** Of the name of each, and of what a link leads to. */
  nameLength: number;
  /** Also those of an index that all name one manifest: each takes the memory of its layers' names. */
  images: number;
}

/** A path of Linux is no longer; the rest is far above what any archive has. */
const LIMITS: ArchiveLimits = {
  documentBytes: 4 * 1024 * 1024,
  entries: 10_000,
  nameLength: 4096,
  images: 1000,
};

/**
 * The files of an image archive (`docker save`, OCI layout), spooled to a folder under numbers: names in the archive are
 * only looked up, never used as paths.
 */
export class Archive {
  readonly limits: ArchiveLimits;
  readonly #directory: string;
  readonly #files = new Map<string, string>();

  private constructor(directory: string, limits: ArchiveLimits) {
    this.#directory = directory;
    this.limits = limits;
  }

  static async spool(
    tar: AsyncIterable<Uint8Array>,
    directory: string,
    limits: Partial<ArchiveLimits> = {},
  ): Promise<Archive> {
    const archive = new Archive(join(directory, `archive-${randomUUID()}`), { ...LIMITS, ...limits });
    await mkdir(archive.#directory, { recursive: true, mode: 0o700 });
    try {
      await archive.#read(tar);
      return archive;
    } catch (error) {
      await archive.close();
      if (error instanceof ImageError) throw error;
      throw new ImageError('Invalid', `the image archive cannot be read: ${(error as Error).message}`);
    }
  }

  has(name: string): boolean {
    return this.#files.has(posix.normalize(name));
  }

  async document(name: string): Promise<Uint8Array> {
    const path = this.#path(name);
    if ((await stat(path)).size > this.limits.documentBytes)
      throw new ImageError('Invalid', `${name} is too large`);
    return readFile(path);
  }

  async json(name: string): Promise<Record<string, unknown>> {
    return parseObject(await this.document(name), name);
  }

  stream(name: string): AsyncIterable<Uint8Array> {
    return createReadStream(this.#path(name));
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }

  #path(name: string): string {
    const path = this.#files.get(posix.normalize(name));
    if (!path) throw new ImageError('Invalid', `the image archive has no file ${name}`);
    return path;
  }

  async #read(tar: AsyncIterable<Uint8Array>): Promise<void> {
    const web = Readable.toWeb(Readable.from(tar)) as unknown as ReadableStream<Uint8Array>;
    const links: { name: string; target: string }[] = [];
    for await (const entry of web.pipeThrough(createTarDecoder())) {
      const { name, type, linkname = '' } = entry.header;
      if (this.#files.size + links.length >= this.limits.entries)
        throw new ImageError('Invalid', 'too many files');
      if (Math.max(name.length, linkname.length) > this.limits.nameLength)
        throw new ImageError('Invalid', 'a name in the image archive is too long');
      if (type === 'link' || type === 'symlink') {
        const target = type === 'link' ? linkname : posix.join(posix.dirname(name), linkname);
        links.push({ name: posix.normalize(name), target: posix.normalize(target) });
      }
      if (type !== 'file') {
        await entry.body.cancel();
        continue;
      }
      const path = join(this.#directory, String(this.#files.size));
      await writeBody(path, entry.body);
      this.#files.set(posix.normalize(name), path);
    }
    // docker save writes a layer that two images share as a link to the first.
    for (const { name, target } of links) {
      const path = this.#files.get(target);
      if (path) this.#files.set(name, path);
    }
  }
}

async function writeBody(path: string, body: ReadableStream<Uint8Array>): Promise<void> {
  const file: FileHandle = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of body) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}
