/** Media types this room reads. Sources: OCI image-spec 1.1, Docker image manifest v2 schema 2. */

export const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;

export const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
] as const;

export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';

export type Compression = 'none' | 'gzip' | 'zstd';

/** How a layer is compressed, by the end of its media type; undefined when it is no layer we can read. */
export function layerCompression(mediaType: string): Compression | undefined {
  if (!/(?:image\.layer|rootfs)/.test(mediaType)) return undefined;
  if (/[.+]gzip$/.test(mediaType)) return 'gzip';
  if (/[.+]zstd$/.test(mediaType)) return 'zstd';
  return mediaType.endsWith('tar') ? 'none' : undefined;
}

const LAYER_SUFFIX: Record<Compression, string> = { none: '', gzip: '+gzip', zstd: '+zstd' };

/** The type of a layer of ours. */
export function layerType(compression: Compression): string {
  return `application/vnd.oci.image.layer.v1.tar${LAYER_SUFFIX[compression]}`;
}

/** Guesses the compression of a layer from its first bytes: in a `docker save` tar nothing else says it. */
export function sniffCompression(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd';
  return 'none';
}
