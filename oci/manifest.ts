import { type Digest, type ImageConfig, ImageError } from './contract.ts';

/** OCI content descriptor. */
export interface Descriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
  annotations?: Record<string, string>;
}

export interface Manifest {
  config: Descriptor;
  layers: Descriptor[];
}

/** What an image's config says, and the digests of its uncompressed layers. */
export interface ConfigFile {
  config: ImageConfig;
  diffIds: Digest[];
}

/** More layers than overlayfs can stack. */
const MAX_LAYERS = 127;

/** Reads an image manifest; throws ImageError Invalid. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const json = parseObject(bytes, 'manifest');
  const config = toDescriptor(json['config'], 'config');
  const layers = Array.isArray(json['layers']) ? json['layers'] : undefined;
  if (!layers) throw new ImageError('Invalid', 'the manifest has no layers');
  if (layers.length > MAX_LAYERS) {
    throw new ImageError(
      'Unsupported',
      `the image has ${layers.length} layers; at most ${MAX_LAYERS} can be stacked`,
    );
  }
  return { config, layers: layers.map((layer, i) => toDescriptor(layer, `layers[${i}]`)) };
}

/** The manifest for a platform out of an index; throws ImageError NotFound when it has none. */
export function chooseFromIndex(
  bytes: Uint8Array,
  platform: { os: string; architecture: string },
): Descriptor {
  const json = parseObject(bytes, 'index');
  const manifests = Array.isArray(json['manifests']) ? json['manifests'] : [];
  const all = manifests.map((entry, i) => toDescriptor(entry, `manifests[${i}]`));
  const fits = (entry: Descriptor) =>
    !entry.platform ||
    (entry.platform.os === platform.os && entry.platform.architecture === platform.architecture);
  const found = all.find((entry) => entry.platform && fits(entry)) ?? all.find(fits);
  if (found) return found;
  const offered = all.map(({ platform: p }) => `${p?.os}/${p?.architecture}`).join(', ');
  throw new ImageError(
    'NotFound',
    `no matching manifest for ${platform.os}/${platform.architecture} in the manifest list entries (${offered})`,
  );
}

/** Reads an image config; throws ImageError Invalid. */
export function parseConfig(bytes: Uint8Array): ConfigFile {
  const json = parseObject(bytes, 'config');
  const inner = (json['config'] ?? {}) as Record<string, unknown>;
  const rootfs = (json['rootfs'] ?? {}) as Record<string, unknown>;
  return {
    config: {
      entrypoint: strings(inner['Entrypoint']),
      cmd: strings(inner['Cmd']),
      env: strings(inner['Env']),
      workingDir: text(inner['WorkingDir']),
      user: text(inner['User']),
      exposedPorts: Object.keys((inner['ExposedPorts'] ?? {}) as object),
      volumes: Object.keys((inner['Volumes'] ?? {}) as object),
      labels: (inner['Labels'] ?? {}) as Record<string, string>,
      stopSignal: text(inner['StopSignal']),
      architecture: text(json['architecture']),
      os: text(json['os']),
    },
    diffIds: strings(rootfs['diff_ids']),
  };
}

export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
    if (typeof json === 'object' && json !== null && !Array.isArray(json))
      return json as Record<string, unknown>;
  } catch (error) {
    throw new ImageError('Invalid', `the image's ${what} is not JSON: ${(error as Error).message}`);
  }
  throw new ImageError('Invalid', `the image's ${what} is not an object`);
}

function toDescriptor(value: unknown, where: string): Descriptor {
  const descriptor = value as Partial<Descriptor> | undefined;
  const sound =
    typeof descriptor?.mediaType === 'string' &&
    typeof descriptor.digest === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(descriptor.digest) &&
    Number.isSafeInteger(descriptor.size) &&
    descriptor.size! >= 0;
  if (!sound) throw new ImageError('Invalid', `${where} of the manifest is not a content descriptor`);
  return descriptor as Descriptor;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
