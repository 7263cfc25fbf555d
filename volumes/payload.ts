import { VolumeError } from './contract.ts';

/** One file of a volume, decided before anything is written. `path` is relative, without `..`. */
export interface PayloadFile {
  path: string;
  data: Uint8Array;
  mode: number;
  /** Owner; left out = root. */
  uid?: number;
}

export interface KeyToPath {
  key: string;
  path: string;
  mode?: number;
}

export interface KeyedSource {
  /** `configmap "x"`, as the message of a missing one says. */
  what: string;
  data: Record<string, Uint8Array> | undefined;
  optional: boolean;
  items?: readonly KeyToPath[];
  defaultMode: number;
}

/** The mode of files whose volume names none. Source: Kubernetes API, ConfigMapVolumeSource.defaultMode. */
export const DEFAULT_FILE_MODE = 0o644;

/**
 * The files of a ConfigMap or Secret: all keys, or the chosen `items`. A missing source or key is a VolumeError that may
 * heal (the object may still come), and nothing at all when optional.
 */
export function keyedPayload(source: KeyedSource): PayloadFile[] {
  if (!source.data) {
    if (source.optional) return [];
    throw new VolumeError(`${source.what} not found`, true);
  }
  const { data } = source;
  if (!source.items?.length) {
    return Object.entries(data).map(([path, bytes]) => ({ path, data: bytes, mode: source.defaultMode }));
  }
  const files: PayloadFile[] = [];
  for (const item of source.items) {
    const bytes = data[item.key];
    if (bytes) files.push({ path: item.path, data: bytes, mode: item.mode ?? source.defaultMode });
    else if (!source.optional) {
      throw new VolumeError(`references non-existent config key: ${item.key}`, true);
    }
  }
  return files;
}

/** Refuses paths that would leave the volume or collide with the links that swap it. */
export function checkPath(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/') || parts.some((part) => part === '..' || part === '')) {
    throw new VolumeError(`invalid path ${JSON.stringify(path)}: must be relative and without '..'`, false);
  }
  if (parts[0]!.startsWith('..')) {
    throw new VolumeError(`invalid path ${JSON.stringify(path)}: must not start with '..'`, false);
  }
}
