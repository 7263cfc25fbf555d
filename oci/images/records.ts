import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import { type Digest, ImageError, type ImageSource } from '../contract.ts';

/** What is kept of an image beside its blobs. */
export interface ImageRecord {
  /** Digest of the config. */
  id: Digest;
  names: string[];
  /** Manifest digest; undefined for an archive that had none. */
  manifest: Digest | undefined;
  /** Blobs the image needs: config, manifest, compressed layers. */
  blobs: Digest[];
  diffIds: Digest[];
  sizeBytes: number;
  /** Left out by earlier versions: see sourceOf. */
  source?: ImageSource;
}

/** Of what an earlier version kept, only an archive can have had no manifest. */
export function sourceOf({ source, manifest }: Pick<ImageRecord, 'source' | 'manifest'>): ImageSource {
  return source ?? (manifest === undefined ? 'archive' : 'registry');
}

const RANK: Record<ImageSource, number> = { registry: 0, peers: 1, archive: 2 };

const FORMAT = 1;

/** The list of images, in one small file that is replaced whole. */
export class ImageRecords {
  readonly #files: Files;
  readonly #path: string;
  #records: ImageRecord[];

  private constructor(files: Files, path: string, records: ImageRecord[]) {
    this.#files = files;
    this.#path = path;
    this.#records = records;
  }

  static async open(files: Files, directory: string): Promise<ImageRecords> {
    const path = join(directory, 'images.json');
    const bytes = await files.read(path);
    if (!bytes) return new ImageRecords(files, path, []);
    const { format, images } = JSON.parse(Buffer.from(bytes).toString()) as {
      format: number;
      images: ImageRecord[];
    };
    if (format !== FORMAT)
      throw new ImageError('Unsupported', `${path} has format ${format}; this version reads ${FORMAT}`);
    return new ImageRecords(files, path, images);
  }

  get all(): readonly ImageRecord[] {
    return this.#records;
  }

  byName(name: string): ImageRecord | undefined {
    return this.#records.find((record) => record.names.includes(name));
  }

  /** By id, with or without `sha256:`, or by a prefix of at least 12 digits that fits only one. */
  byId(id: string): ImageRecord | undefined {
    const hex = id.replace(/^sha256:/, '');
    if (!/^[0-9a-f]{12,64}$/.test(hex)) return undefined;
    const found = this.#records.filter((record) => record.id.startsWith(`sha256:${hex}`));
    return found.length === 1 ? found[0] : undefined;
  }

  /**
   * Adds an image, or its names to the record there is; names move here from other images. What was loaded stays so: its blobs
   * can be had nowhere else, while those of a registry can.
   */
  async put(record: ImageRecord): Promise<void> {
    const before = this.#records.find(({ id }) => id === record.id);
    const taken = new Set(record.names);
    const others = this.#records
      .filter((other) => other.id !== record.id)
      .map((other) => ({ ...other, names: other.names.filter((name) => !taken.has(name)) }));
    const names = new Set([...(before?.names ?? []), ...record.names]);
    const kept = before && RANK[sourceOf(before)] > RANK[sourceOf(record)] ? before : record;
    await this.#save([...others, { ...kept, names: [...names].sort() }]);
  }

  async remove(id: Digest): Promise<void> {
    await this.#save(this.#records.filter((record) => record.id !== id));
  }

  async removeName(name: string): Promise<void> {
    await this.#save(
      this.#records.map((record) => ({ ...record, names: record.names.filter((other) => other !== name) })),
    );
  }

  async #save(images: ImageRecord[]): Promise<void> {
    await this.#files.write(this.#path, JSON.stringify({ format: FORMAT, images }));
    this.#records = images;
  }
}
