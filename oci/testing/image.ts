import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import type { Digest } from '../contract.ts';

/** Images made in memory, for tests of this room and of those that pull. */
export interface TestImage {
  manifest: Buffer;
  manifestType: string;
  manifestDigest: Digest;
  configDigest: Digest;
  diffIds: Digest[];
  blobs: Map<Digest, Buffer>;
}

const COMPRESS = { none: (data: Buffer) => data, gzip: gzipSync, zstd: zstdCompressSync } as const;
const SUFFIX = { none: '', gzip: '+gzip', zstd: '+zstd' } as const;

export const digestOf = (data: Uint8Array): Digest =>
  `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** One layer a record of file names to contents. */
export async function makeImage(
  layers: Record<string, string>[],
  options: { compression?: keyof typeof COMPRESS; architecture?: string; config?: object } = {},
): Promise<TestImage> {
  const compression = options.compression ?? 'gzip';
  const blobs = new Map<Digest, Buffer>();
  const diffIds: Digest[] = [];
  const keep = (data: Buffer) => {
    const digest = digestOf(data);
    blobs.set(digest, data);
    return { digest, size: data.length };
  };
  const descriptors = [];
  for (const layer of layers) {
    const tar = await layerTar(layer);
    diffIds.push(digestOf(tar));
    const mediaType = `application/vnd.oci.image.layer.v1.tar${SUFFIX[compression]}`;
    descriptors.push({ mediaType, ...keep(Buffer.from(COMPRESS[compression](tar))) });
  }
  const config = keep(
    Buffer.from(
      JSON.stringify({
        os: 'linux',
        architecture: options.architecture ?? 'amd64',
        config: options.config ?? { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
        rootfs: { type: 'layers', diff_ids: diffIds },
      }),
    ),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: descriptors,
    }),
  );
  return {
    manifest,
    manifestType,
    manifestDigest: digestOf(manifest),
    configDigest: config.digest,
    diffIds,
    blobs,
  };
}

export async function layerTar(files: Record<string, string>): Promise<Buffer> {
  const entries = Object.entries(files).map(([name, body]) => ({
    header: { name, size: Buffer.byteLength(body), type: 'file' as const, mtime: new Date(0) },
    body,
  }));
  return Buffer.from(await packTar(entries));
}

/** A `docker save` archive of images. */
export async function dockerArchive(images: { image: TestImage; tags: string[] }[]): Promise<Buffer> {
  const files = new Map<string, Buffer>();
  const manifest = images.map(({ image, tags }) => {
    const { config, layers } = JSON.parse(image.manifest.toString());
    const name = (digest: Digest) => digest.slice('sha256:'.length);
    for (const [digest, data] of image.blobs) files.set(name(digest), data);
    return {
      Config: name(config.digest),
      RepoTags: tags,
      Layers: layers.map((layer: { digest: Digest }) => name(layer.digest)),
    };
  });
  files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  return tarOf(files);
}

/** An OCI layout archive of one image. */
export async function layoutArchive(image: TestImage, name: string): Promise<Buffer> {
  const files = new Map<string, Buffer>([['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')]]);
  for (const [digest, data] of image.blobs) files.set(`blobs/${digest.replace(':', '/')}`, data);
  files.set(`blobs/${image.manifestDigest.replace(':', '/')}`, image.manifest);
  const annotations = { 'org.opencontainers.image.ref.name': name };
  const descriptor = {
    mediaType: image.manifestType,
    digest: image.manifestDigest,
    size: image.manifest.length,
  };
  files.set('index.json', Buffer.from(JSON.stringify({ manifests: [{ ...descriptor, annotations }] })));
  return tarOf(files);
}

async function tarOf(files: Map<string, Buffer>): Promise<Buffer> {
  const entries = [...files].map(([name, body]) => ({
    header: { name, size: body.length, type: 'file' as const, mtime: new Date(0) },
    body,
  }));
  return Buffer.from(await packTar(entries));
}
