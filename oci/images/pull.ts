import type { LayerStore } from '../content/layers.ts';
import type { ContentStore } from '../content/store.ts';
import { type BlobRef, type Digest, ImageError, type PullOptions } from '../contract.ts';
import type { RegistryClient } from '../distribution/client.ts';
import { fetchFromPeers } from '../distribution/from-peers.ts';
import { chooseFromIndex, type Manifest, parseConfig, parseManifest } from '../manifest.ts';
import { INDEX_TYPES, layerCompression, MANIFEST_TYPES } from '../media-types.ts';
import { namesOf, type Reference } from '../reference.ts';
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
  options: PullOptions,
): Promise<ImageRecord> {
  const { content, layers } = deps;
  const { loaded, signal, onProgress = () => undefined } = options;
  onProgress({ doneBytes: 0, totalBytes: undefined });
  const fetch = blobFetcher(deps, options);
  const { manifest, digest } = loaded
    ? await loadedManifest(loaded, content, fetch)
    : await fetchManifest(reference, deps, signal);
  const totalBytes = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size);
  let doneBytes = 0;
  const advance = (bytes: number) => {
    doneBytes += bytes;
    onProgress({ doneBytes, totalBytes });
  };
  await fetch(manifest.config, loaded ? 'peers' : 'registry', advance);
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
    await fetch(layer, loaded ? 'peers' : 'peers first', advance);
    await layers.ensure(diffIds[i]!, () => content.stream(layer.digest), signal);
  });
  return {
    id: manifest.config.digest,
    names: namesOf(reference, digest),
    manifest: digest,
    blobs: [digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)],
    diffIds,
    sizeBytes: await totalSize(layers, diffIds),
    source: loaded ? 'peers' : 'registry',
  };
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

type FetchBlob = (
  blob: BlobRef,
  from: 'registry' | 'peers' | 'peers first',
  advance?: (bytes: number) => void,
) => Promise<void>;

/** Brings blobs that are not here. ImageError NotFound when only peers may be asked, and none has it. */
function blobFetcher({ content, client }: PullDeps, options: PullOptions): FetchBlob {
  const { peers, signal, onReceived = () => undefined } = options;
  return async (blob, from, advance = () => undefined) => {
    if (await content.has(blob.digest)) return advance(blob.size);
    const received = (bytes: number, peer: string | undefined) => {
      advance(bytes);
      onReceived(bytes, peer);
    };
    if (peers && from !== 'registry') {
      if (await fetchFromPeers(blob, { peers, content, onReceived: received, signal })) return;
    }
    if (from === 'peers') {
      throw new ImageError(
        'NotFound',
        `the image was loaded into the cluster, and no other node that answers has its part ${blob.digest}: load it again`,
      );
    }
    await content.write(await client.blob(blob.digest, signal), blob, (bytes) => received(bytes, undefined));
  };
}

async function loadedManifest(loaded: BlobRef, content: ContentStore, fetch: FetchBlob) {
  await fetch(loaded, 'peers');
  return { manifest: parseManifest(await content.read(loaded.digest)), digest: loaded.digest };
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
