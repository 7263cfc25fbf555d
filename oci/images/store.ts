import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import { LayerStore } from '../content/layers.ts';
import { ContentStore } from '../content/store.ts';
import {
  type Digest,
  type Image,
  ImageError,
  type ImageStore,
  type PullOptions,
  type SharedContent,
  type Unpacker,
} from '../contract.ts';
import { RegistryClient } from '../distribution/client.ts';
import type { Fetch } from '../distribution/follow.ts';
import { parseConfig } from '../manifest.ts';
import { canonicalName, parseReference } from '../reference.ts';
import { Archive } from './archive.ts';
import { importArchive } from './import.ts';
import { pullImage } from './pull.ts';
import { type ImageRecord, ImageRecords, sourceOf } from './records.ts';

export interface ImageStoreOptions {
  directory: string;
  files: Files;
  unpacker: Unpacker;
  fetch?: Fetch;
  /** As OCI names it: { os: 'linux', architecture: 'amd64' }. */
  platform: { os: string; architecture: string };
}

/** Opens the node's image store and removes what a crash left half-made. One process at a time. */
export async function openImageStore(options: ImageStoreOptions): Promise<ImageStore & SharedContent> {
  const content = await ContentStore.open(join(options.directory, 'content'));
  const layers = await LayerStore.open(join(options.directory, 'layers'), options.unpacker);
  const records = await ImageRecords.open(options.files, options.directory);
  const store = new DiskImageStore(options, content, layers, records);
  await store.sweep();
  return store;
}

class DiskImageStore implements ImageStore, SharedContent {
  readonly #options: ImageStoreOptions;
  readonly #content: ContentStore;
  readonly #layers: LayerStore;
  readonly #records: ImageRecords;
  /** Changes of records and removals of blobs, one after another: a pull never loses a layer to a removal. */
  #turn: Promise<unknown> = Promise.resolve();
  #working = 0;

  constructor(options: ImageStoreOptions, content: ContentStore, layers: LayerStore, records: ImageRecords) {
    this.#options = options;
    this.#content = content;
    this.#layers = layers;
    this.#records = records;
  }

  async get(reference: string): Promise<Image | undefined> {
    const record = this.#find(reference);
    return record && this.#imageOf(record);
  }

  list(): Promise<Image[]> {
    return Promise.all(this.#records.all.map((record) => this.#imageOf(record)));
  }

  async pull(reference: string, options: PullOptions): Promise<Image> {
    const parsed = parseReference(reference);
    const client = new RegistryClient(parsed, this.#options.fetch ?? fetch, options.credentials);
    const deps = { content: this.#content, layers: this.#layers, client, platform: this.#options.platform };
    return this.#adding(async () => {
      const record = await pullImage(parsed, deps, options);
      await this.#inTurn(() => this.#records.put(record));
      return this.#imageOf(this.#records.byId(record.id)!);
    });
  }

  async openShared(digest: Digest, offset: number) {
    const shared = this.#records.all.some((record) => isShared(record, digest));
    const size = shared ? await this.#content.size(digest) : undefined;
    return size === undefined ? undefined : { size, bytes: () => this.#content.stream(digest, offset) };
  }

  async import(tar: AsyncIterable<Uint8Array>, name?: string): Promise<Image[]> {
    if (name !== undefined) parseReference(name);
    const archive = await Archive.spool(tar, this.#options.directory);
    const deps = { content: this.#content, layers: this.#layers, platform: this.#options.platform };
    try {
      return await this.#adding(async () => {
        const records = await importArchive(archive, name, deps);
        for (const record of records) await this.#inTurn(() => this.#records.put(record));
        return Promise.all(records.map((record) => this.#imageOf(this.#records.byId(record.id)!)));
      });
    } finally {
      await archive.close();
    }
  }

  async remove(reference: string, inUse: ReadonlySet<Digest>): Promise<void> {
    const record = this.#find(reference);
    if (!record) throw new ImageError('NotFound', `no such image: ${reference}`);
    const byId = this.#records.byId(reference) !== undefined;
    await this.#inTurn(async () => {
      const left = byId
        ? []
        : record.names.filter((name) => name !== nameOf(reference) && !name.includes('@'));
      if (left.length > 0) return this.#records.removeName(nameOf(reference));
      if (inUse.has(record.id))
        throw new ImageError('InUse', `the image ${reference} is used by a container`);
      await this.#records.remove(record.id);
    });
    await this.sweep();
  }

  /** Removes blobs and layers that no image refers to, unless an image is being added just now. */
  async sweep(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#working > 0) return;
      const blobs = new Set(this.#records.all.flatMap((record) => record.blobs));
      const diffIds = new Set(this.#records.all.flatMap((record) => record.diffIds));
      for (const digest of await this.#content.list())
        if (!blobs.has(digest)) await this.#content.remove(digest);
      for (const diffId of await this.#layers.list())
        if (!diffIds.has(diffId)) await this.#layers.remove(diffId);
    });
  }

  #find(reference: string): ImageRecord | undefined {
    return this.#records.byId(reference) ?? this.#records.byName(nameOf(reference));
  }

  async #imageOf(record: ImageRecord): Promise<Image> {
    const { config } = parseConfig(await this.#content.read(record.id));
    const layers = record.diffIds.map((diffId) => this.#layers.path(diffId));
    const { id, names, sizeBytes } = record;
    const digest = record.manifest;
    const size = digest === undefined ? undefined : await this.#content.size(digest);
    const manifest = digest !== undefined && size !== undefined && { manifest: { digest, size } };
    return { id, names, config, layers, sizeBytes, source: sourceOf(record), ...manifest };
  }

  async #adding<T>(work: () => Promise<T>): Promise<T> {
    // Taken in turn, so that no removal that has begun can miss it.
    await this.#inTurn(async () => {
      this.#working += 1;
    });
    try {
      return await work();
    } finally {
      this.#working -= 1;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** See SharedContent. */
function isShared(record: ImageRecord, digest: Digest): boolean {
  const secret = sourceOf(record) === 'registry' && (digest === record.id || digest === record.manifest);
  return record.blobs.includes(digest) && !secret;
}

/** A tag with a digest is looked up by its digest. */
function nameOf(reference: string): string {
  const parsed = parseReference(reference);
  return canonicalName(parsed.digest ? { ...parsed, tag: undefined } : parsed);
}
