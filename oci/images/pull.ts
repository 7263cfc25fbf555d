import type { LayerStore } from '../content/layers.ts';
import type { ContentStore } from '../content/store.ts';
import { type Digest, ImageError, type PullProgress } from '../contract.ts';
import type { RegistryClient } from '../distribution/client.ts';
import { chooseFromIndex, type Descriptor, type Manifest, parseConfig, parseManifest } from '../manifest.ts';
import { INDEX_TYPES, layerCompression, MANIFEST_TYPES } from '../media-types.ts';
import { canonicalName, type Reference } from '../reference.ts';
import type { ImageRecord } from './records.ts';

/** Layers fetched at the same time, as Docker does. */
const PARALLEL_LAYERS = 3;

export interface PullDeps {
  content: ContentStore;
  layers: LayerStore;
  client: RegistryClient;
  platform: { os: string; architecture: string };
}

/** Fetches and unpacks what is missing of an image; the record is the caller's to keep. */
export async function pullImage(
  reference: Reference,
  deps: PullDeps,
  onProgress: (progress: PullProgress) => void,
  signal: AbortSignal,
): Promise<ImageRecord> {
  const { content, layers, client } = deps;
  onProgress({ doneBytes: 0, totalBytes: undefined });
  const { manifest, digest } = await fetchManifest(reference, deps, signal);
  const totalBytes = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size);
  let doneBytes = 0;
  const advance = (bytes: number) => {
    doneBytes += bytes;
    onProgress({ doneBytes, totalBytes });
  };
  await fetchBlob(manifest.config, content, client, advance, signal);
  const { config, diffIds } = parseConfig(await content.read(manifest.config.digest));
  checkPlatform(config, deps.platform);
  if (diffIds.length !== manifest.layers.length) {
    throw new ImageError(
      'Invalid',
      `the config names ${diffIds.length} layers, the manifest ${manifest.layers.length}`,
    );
  }
  await eachInParallel(manifest.layers, PARALLEL_LAYERS, async (layer, i) => {
    if (!layerCompression(layer.mediaType)) {
      throw new ImageError('Unsupported', `layers of media type ${layer.mediaType} cannot be unpacked`);
    }
    await fetchBlob(layer, content, client, advance, signal);
    await layers.ensure(diffIds[i]!, () => content.stream(layer.digest), signal);
  });
  return {
    id: manifest.config.digest,
    names: namesOf(reference, digest),
    manifest: digest,
    blobs: [digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)],
    diffIds,
    sizeBytes: await totalSize(layers, diffIds),
  };
}

/** The tag it was asked by, and the digest it turned out to be. */
function namesOf(reference: Reference, digest: Digest): string[] {
  const byDigest = canonicalName({ ...reference, tag: undefined, digest });
  return reference.tag === undefined
    ? [byDigest]
    : [canonicalName({ ...reference, digest: undefined }), byDigest];
}

/** The image's manifest; an index leads to the one for this platform. The digest is that of the image's manifest. */
async function fetchManifest(
  reference: Reference,
  { client, content, platform }: PullDeps,
  signal: AbortSignal,
): Promise<{ manifest: Manifest; digest: Digest }> {
  const first = await client.manifest(reference.digest ?? reference.tag!, signal);
  const verify = reference.digest ? { digest: reference.digest } : undefined;
  const { digest } = await content.write(once(first.bytes), verify);
  if (isOneOf(MANIFEST_TYPES, first.mediaType)) return { manifest: parseManifest(first.bytes), digest };
  if (!isOneOf(INDEX_TYPES, first.mediaType)) {
    await content.remove(digest);
    throw new ImageError('Unsupported', `manifests of media type "${first.mediaType}" are not known`);
  }
  const chosen = chooseFromIndex(first.bytes, platform);
  const { bytes } = await client.manifest(chosen.digest, signal);
  await content.write(once(bytes), chosen);
  return { manifest: parseManifest(bytes), digest: chosen.digest };
}

async function fetchBlob(
  blob: Descriptor,
  content: ContentStore,
  client: RegistryClient,
  advance: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (await content.has(blob.digest)) return advance(blob.size);
  await content.write(await client.blob(blob.digest, signal), blob, advance);
}

/** An image for another processor fails here and not as an exec format error later. */
export function checkPlatform(
  image: { os: string; architecture: string },
  platform: { os: string; architecture: string },
): void {
  const fits = (is: string, wanted: string) => is === '' || is === wanted;
  if (fits(image.os, platform.os) && fits(image.architecture, platform.architecture)) return;
  const made = `${image.os}/${image.architecture}`;
  throw new ImageError(
    'Unsupported',
    `the image is for ${made}; this node is ${platform.os}/${platform.architecture}`,
  );
}

export async function totalSize(layers: LayerStore, diffIds: readonly Digest[]): Promise<number> {
  const sizes = await Promise.all(diffIds.map((diffId) => layers.size(diffId)));
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

/** Runs `work` on every item, `width` at a time; the first failure ends it after the running ones have settled. */
async function eachInParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, lane));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}

export async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function isOneOf(types: readonly string[], type: string): boolean {
  return types.includes(type);
}
