import type { LayerStore } from '../content/layers.ts';
import type { ContentStore } from '../content/store.ts';
import { type Digest, ImageError } from '../contract.ts';
import { chooseFromIndex, type Descriptor, parseConfig, parseManifest } from '../manifest.ts';
import { CONFIG_TYPE, INDEX_TYPES, layerType, MANIFEST_TYPES, sniffCompression } from '../media-types.ts';
import { namesOf, parseReference } from '../reference.ts';
import type { Archive } from './archive.ts';
import { checkPlatform, once, totalSize } from './pull.ts';
import type { ImageRecord } from './records.ts';

export interface ImportDeps {
  content: ContentStore;
  layers: LayerStore;
  platform: { os: string; architecture: string };
}

/** One image of an archive: where its parts lie in it. */
interface Found {
  names: string[];
  manifest: { path: string; digest: Digest } | undefined;
  config: string;
  layers: string[];
}

/** Takes in every image of an archive: OCI layout where it has an index.json, else `docker save`. */
export async function importArchive(
  archive: Archive,
  name: string | undefined,
  deps: ImportDeps,
): Promise<ImageRecord[]> {
  const found = archive.has('manifest.json')
    ? await readDockerArchive(archive)
    : await readLayout(archive, deps.platform);
  if (found.length === 0) throw new ImageError('Invalid', 'the archive holds no image');
  if (name !== undefined && found.length === 1) found[0]!.names = [name];
  const records: ImageRecord[] = [];
  for (const image of found) records.push(await importOne(archive, image, deps));
  return records;
}

async function importOne(
  archive: Archive,
  image: Found,
  { content, layers, platform }: ImportDeps,
): Promise<ImageRecord> {
  const configBytes = await archive.document(image.config);
  const { config, diffIds } = parseConfig(configBytes);
  checkPlatform(config, platform);
  if (diffIds.length !== image.layers.length) {
    throw new ImageError(
      'Invalid',
      `the config names ${diffIds.length} layers, the archive ${image.layers.length}`,
    );
  }
  const descriptors: Descriptor[] = [];
  for (const [i, layer] of image.layers.entries()) {
    const { digest, size } = await content.write(archive.stream(layer));
    const compression = sniffCompression(await content.start(digest));
    await layers.ensure(diffIds[i]!, () => content.stream(digest), new AbortController().signal);
    descriptors.push({ mediaType: layerType(compression), digest, size });
  }
  const { digest: id, size } = await content.write(archive.stream(image.config));
  const { digest: manifest } = image.manifest
    ? await content.write(archive.stream(image.manifest.path), image.manifest)
    : await content.write(once(manifestOf({ mediaType: CONFIG_TYPE, digest: id, size }, descriptors)));
  return {
    id,
    names: image.names.flatMap((name) => namesOf(parseReference(name), manifest)),
    manifest,
    blobs: [id, ...descriptors.map(({ digest }) => digest), manifest],
    diffIds,
    sizeBytes: await totalSize(layers, diffIds),
    source: 'archive',
  };
}

/** What a registry would have made of the archive: by it other nodes can be given the image. Source: OCI image-spec 1.1. */
function manifestOf(config: Descriptor, layers: Descriptor[]): Uint8Array {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPES[0], config, layers }));
}

function checkCount(images: readonly unknown[], { limits }: Archive): void {
  if (images.length > limits.images)
    throw new ImageError('Invalid', `the archive holds more than ${limits.images} images`);
}

/** Source: moby image specification, "Combined Image JSON + Filesystem Changeset Format". */
async function readDockerArchive(archive: Archive): Promise<Found[]> {
  const json: unknown = JSON.parse(Buffer.from(await archive.document('manifest.json')).toString());
  if (!Array.isArray(json)) throw new ImageError('Invalid', 'manifest.json is not a list');
  checkCount(json, archive);
  return json.map((entry: { Config?: string; RepoTags?: string[] | null; Layers?: string[] }) => {
    if (typeof entry.Config !== 'string' || !Array.isArray(entry.Layers)) {
      throw new ImageError('Invalid', 'manifest.json names no Config or Layers');
    }
    return { names: entry.RepoTags ?? [], manifest: undefined, config: entry.Config, layers: entry.Layers };
  });
}

/** Source: OCI image-spec 1.1, "Image Layout". */
async function readLayout(
  archive: Archive,
  platform: { os: string; architecture: string },
): Promise<Found[]> {
  const index = await archive.json('index.json');
  const entries = (Array.isArray(index['manifests']) ? index['manifests'] : []) as Descriptor[];
  checkCount(entries, archive);
  const found: Found[] = [];
  for (const entry of entries) {
    const isIndex = (INDEX_TYPES as readonly string[]).includes(entry.mediaType);
    const chosen = isIndex
      ? chooseFromIndex(await archive.document(blobPath(entry.digest)), platform)
      : entry;
    const manifest = parseManifest(await archive.document(blobPath(chosen.digest)));
    found.push({
      names: layoutNames(entry),
      manifest: { path: blobPath(chosen.digest), digest: chosen.digest },
      config: blobPath(manifest.config.digest),
      layers: manifest.layers.map((layer) => blobPath(layer.digest)),
    });
  }
  return found;
}

/** containerd writes the whole name; the specification's own annotation may be only a tag. */
function layoutNames({ annotations = {} }: Descriptor): string[] {
  const whole = annotations['io.containerd.image.name'];
  const reference = annotations['org.opencontainers.image.ref.name'];
  if (whole) return [whole];
  return reference?.includes('/') || reference?.includes(':') ? [reference] : [];
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}
