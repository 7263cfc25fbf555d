import { unpackTar } from 'modern-tar';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { collect } from '#machinery/transport.ts';
import {
  type BlobRef,
  type Digest,
  type Image,
  type ImageConfig,
  ImageError,
  type ImageErrorCode,
  type ImageSource,
  type ImageStore,
  type PullOptions,
  type RegistryCredentials,
} from '../contract.ts';
import { type ImageRecord, ImageRecords, sourceOf } from '../images/records.ts';
import { parseConfig, parseManifest, parseObject } from '../manifest.ts';
import { canonicalName, namesOf, parseReference } from '../reference.ts';

/** The other node that the fake's images come from. */
export const FAKE_PEER = 'fake-peer';

export type FakeImageCall = keyof ImageStore;

/** An image without bytes: what a registry of the fake offers. */
export interface FakeImage {
  id: Digest;
  manifest: Digest;
  config: ImageConfig;
  diffIds: Digest[];
  /** Of its layers, unpacked. */
  sizeBytes: number;
}

/** What outlives the agent: shared by every store that was made from another by `reopen`. */
class FakeDisk {
  readonly files = new MemoryFiles();
  readonly configs = new Map<Digest, ImageConfig>();
  /** What registries have, by canonical name. */
  readonly published = new Map<string, FakeImage>();
  /** What other nodes have, by the digest of its manifest. */
  readonly shared = new Map<Digest, FakeImage>();
  credentials: RegistryCredentials | undefined;
}

/**
 * Images in memory: real names and records, no bytes, registries in the same object. Layers are paths that are nowhere.
 * `failNext` makes the next call of that name reject and change nothing; `calls` are all so far.
 */
export class FakeImageStore implements ImageStore {
  readonly calls: { call: FakeImageCall; reference?: string; credentials?: RegistryCredentials }[] = [];
  readonly #disk: FakeDisk;
  readonly #records: Promise<ImageRecords>;
  readonly #failures: { call: FakeImageCall; error: Error }[] = [];

  constructor(disk: unknown = new FakeDisk()) {
    this.#disk = disk as FakeDisk;
    this.#records = ImageRecords.open(this.#disk.files, '/');
  }

  // Knobs.

  /** What a registry has under the reference from now on; under its digest too. */
  publish(reference: string, image: FakeImage): void {
    const parsed = parseReference(reference);
    this.#disk.published.set(canonicalName(parsed), image);
    const byDigest = { ...parsed, tag: undefined, digest: image.manifest };
    this.#disk.published.set(canonicalName(byDigest), image);
  }

  /** Other nodes have the image from now on. */
  share(image: FakeImage): void {
    this.#disk.shared.set(image.manifest, image);
  }

  /** Registries ask for these from now on. */
  wantCredentials(credentials: RegistryCredentials | undefined): void {
    this.#disk.credentials = credentials;
  }

  failNext(call: FakeImageCall, code: ImageErrorCode = 'Unreachable', message = `injected: ${call}`): void {
    this.#failures.push({ call, error: new ImageError(code, message) });
  }

  /** The store after a restart of its agent. */
  reopen(): FakeImageStore {
    return new FakeImageStore(this.#disk);
  }

  // ImageStore.

  async get(reference: string): Promise<Image | undefined> {
    this.#begin('get', reference);
    const record = find(await this.#records, reference);
    return record && this.#imageOf(record);
  }

  async list(): Promise<Image[]> {
    this.#begin('list');
    return (await this.#records).all.map((record) => this.#imageOf(record));
  }

  async pull(
    reference: string,
    { credentials, peers, loaded, onProgress, onReceived, signal }: PullOptions,
  ): Promise<Image> {
    this.#begin('pull', reference, credentials);
    const parsed = parseReference(reference);
    signal.throwIfAborted();
    onProgress?.({ doneBytes: 0, totalBytes: undefined });
    if (!loaded) this.#admit(credentials, parsed.registry);
    const image = loaded
      ? peers && this.#disk.shared.get(loaded.digest)
      : this.#disk.published.get(nameOf(reference));
    if (!image) {
      const why = loaded ? `no other node has ${loaded.digest}` : `manifest unknown: ${reference}`;
      throw new ImageError('NotFound', `${parsed.registry}: ${why}`);
    }
    const byDigest = canonicalName({ ...parsed, tag: undefined, digest: image.manifest });
    const names = [...new Set([nameOf(reference), byDigest])];
    const stored = await this.#keep(image, names, loaded ? 'peers' : 'registry');
    onReceived?.(image.sizeBytes, peers && this.#disk.shared.has(image.manifest) ? FAKE_PEER : undefined);
    onProgress?.({ doneBytes: image.sizeBytes, totalBytes: image.sizeBytes });
    return stored;
  }

  async import(tar: AsyncIterable<Uint8Array>, name?: string): Promise<Image[]> {
    this.#begin('import', name);
    if (name !== undefined) parseReference(name);
    const found = imagesOf(await readFiles(tar));
    if (found.length === 0) throw new ImageError('Invalid', 'the archive holds no image');
    if (name !== undefined && found.length === 1) found[0]!.names = [name];
    const images: Image[] = [];
    for (const { image, names } of found) {
      const each = names.map(parseReference).map((one) => namesOf(one, image.manifest));
      images.push(await this.#keep(image, each.flat(), 'archive'));
    }
    return images;
  }

  async remove(reference: string, inUse: ReadonlySet<Digest>): Promise<void> {
    this.#begin('remove', reference);
    const records = await this.#records;
    const record = find(records, reference);
    if (!record) throw new ImageError('NotFound', `no such image: ${reference}`);
    const others = record.names.filter((name) => !name.includes('@') && name !== nameOf(reference));
    if (!records.byId(reference) && others.length > 0) return records.removeName(nameOf(reference));
    if (inUse.has(record.id)) throw new ImageError('InUse', `the image ${reference} is used by a container`);
    await records.remove(record.id);
  }

  async #keep(image: FakeImage, names: string[], source: ImageSource): Promise<Image> {
    const records = await this.#records;
    const { id, manifest, diffIds, sizeBytes } = image;
    this.#disk.configs.set(id, image.config);
    await records.put({ id, names, manifest, blobs: [], diffIds, sizeBytes, source });
    return this.#imageOf(records.byId(id)!);
  }

  #imageOf(record: ImageRecord): Image {
    const { id, names, diffIds, sizeBytes, manifest } = record;
    const layers = diffIds.map((diffId) => `/fake/layers/${diffId.replace('sha256:', '')}`);
    const config = structuredClone(this.#disk.configs.get(id)!);
    const rest = {
      sizeBytes,
      source: sourceOf(record),
      ...(manifest && { manifest: fakeManifest(manifest) }),
    };
    return { id, names: [...names], config, layers, ...rest };
  }

  #admit(given: RegistryCredentials | undefined, registry: string): void {
    const wanted = this.#disk.credentials;
    if (!wanted || (given?.username === wanted.username && given.password === wanted.password)) return;
    throw new ImageError('Unauthorized', `${registry}: authentication required`);
  }

  #begin(call: FakeImageCall, reference?: string, credentials?: RegistryCredentials): void {
    this.calls.push({ call, reference, credentials });
    const at = this.#failures.findIndex((one) => one.call === call);
    if (at >= 0) throw this.#failures.splice(at, 1)[0]!.error;
  }
}

/** An image of that config and so many bytes. `seed` tells it from others: 1, 2, ... */
export function fakeImage(
  seed: number,
  part: { config?: Partial<ImageConfig>; sizeBytes?: number } = {},
): FakeImage {
  const digest = (kind: string): Digest =>
    `sha256:${kind}${seed.toString(16).padStart(64 - kind.length, '0')}`;
  return {
    id: digest('c'),
    manifest: digest('a'),
    config: { ...parseConfig(Buffer.from('{"os":"linux","architecture":"amd64"}')).config, ...part.config },
    diffIds: [digest('d')],
    sizeBytes: part.sizeBytes ?? 1000,
  };
}

/** What a fake image's manifest is asked for by. */
export function fakeManifest(digest: Digest): BlobRef {
  return { digest, size: 1 };
}

/** The fake of an image that has bytes: its config and its manifest. */
export function fakeOf(config: Uint8Array, id: Digest, manifest: Digest, sizeBytes: number): FakeImage {
  return { id, manifest, ...parseConfig(config), sizeBytes };
}

function find(records: ImageRecords, reference: string): ImageRecord | undefined {
  return records.byId(reference) ?? records.byName(nameOf(reference));
}

/** A tag with a digest is looked up by its digest. */
function nameOf(reference: string): string {
  const parsed = parseReference(reference);
  return canonicalName(parsed.digest ? { ...parsed, tag: undefined } : parsed);
}

type Files = Map<string, Uint8Array>;

async function readFiles(tar: AsyncIterable<Uint8Array>): Promise<Files> {
  try {
    const entries = await unpackTar(Buffer.from(await collect(tar)));
    return new Map(entries.map(({ header, data }) => [header.name, data ?? new Uint8Array()]));
  } catch (error) {
    throw new ImageError('Invalid', `the image archive cannot be read: ${(error as Error).message}`);
  }
}

interface Found {
  image: FakeImage;
  names: string[];
}

/** The images of a `docker save` archive or an OCI layout. */
function imagesOf(files: Files): Found[] {
  const saved = files.get('manifest.json');
  if (saved) {
    const entries = JSON.parse(Buffer.from(saved).toString()) as { Config: string; RepoTags: string[] }[];
    return entries.map(({ Config, RepoTags }) => found(files, Config, `sha256:${Config}`, RepoTags ?? []));
  }
  const index = parseObject(file(files, 'index.json'), 'index') as {
    manifests: { digest: Digest; annotations?: Record<string, string> }[];
  };
  return index.manifests.map(({ digest, annotations }) => {
    const { config } = parseManifest(file(files, blobPath(digest)));
    const name = annotations?.['org.opencontainers.image.ref.name'] ?? '';
    return found(files, blobPath(config.digest), config.digest, /[/:]/.test(name) ? [name] : []);
  });
}

function found(files: Files, path: string, id: Digest, names: string[]): Found {
  return { image: fakeOf(file(files, path), id, id, 1), names };
}

function file(files: Files, path: string): Uint8Array {
  const data = files.get(path);
  if (!data) throw new ImageError('Invalid', `the image archive has no file ${path}`);
  return data;
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}
