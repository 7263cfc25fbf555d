import { createHash } from 'node:crypto';

/**
 * The images that were loaded into the cluster and came from no registry: a ConfigMap with an entry for each name, which only
 * administrators may write. It is what a name means on every node; the layers are on the nodes.
 */
export const LOADED_IMAGES = { name: 'gantry-images', namespace: 'kube-system' } as const;

export interface LoadedImage {
  /** The whole form with a tag, `docker.io/library/app:1`. */
  name: string;
  /** Digest of the image's config. */
  id: string;
  /** By which nodes give each other the image. */
  manifest: { digest: string; size: number };
  /** Of its layers, unpacked. */
  sizeBytes: number;
  /** Nodes that are to have it before a pod wants it. */
  nodes: 'all' | string[];
}

/** The key of a name's entry: names have letters that keys of a ConfigMap cannot. */
export function loadedImageKey(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

export function loadedImageText({ name, id, manifest, sizeBytes, nodes }: LoadedImage): string {
  return JSON.stringify({ name, id, manifest, sizeBytes, nodes });
}

/** By name. What cannot be read, or stands under another name's key, counts as not there. */
export function loadedImages(data: Record<string, string> | undefined): Map<string, LoadedImage> {
  const found = new Map<string, LoadedImage>();
  for (const [key, text] of Object.entries(data ?? {})) {
    const image = parse(text);
    if (image && loadedImageKey(image.name) === key) found.set(image.name, image);
  }
  return found;
}

/** Whether a node is to have the image before a pod wants it. */
export function isWantedOn({ nodes }: LoadedImage, node: string): boolean {
  return nodes === 'all' || nodes.includes(node);
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** As registries limit manifests (OCI distribution-spec). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

function parse(text: string): LoadedImage | undefined {
  try {
    const { name, id, manifest, sizeBytes, nodes } = JSON.parse(text);
    const sound =
      typeof name === 'string' &&
      DIGEST.test(id) &&
      DIGEST.test(manifest.digest) &&
      Number.isSafeInteger(manifest.size) &&
      manifest.size > 0 &&
      manifest.size <= MAX_MANIFEST_BYTES &&
      Number.isSafeInteger(sizeBytes) &&
      (nodes === 'all' || (Array.isArray(nodes) && nodes.every((node) => typeof node === 'string')));
    if (!sound) return undefined;
    return { name, id, manifest: { digest: manifest.digest, size: manifest.size }, sizeBytes, nodes };
  } catch {
    return undefined; // an entry that somebody wrote by hand: it names no image
  }
}
