import type { Pod, Volume } from '#api/objects.ts';

/**
 * A volume driver makes one kind of pod volume appear as a directory on the node. Implementations are one folder each
 * (empty-dir, config-map, secret, projected, downward-api, host-path), listed in index.ts; all pass conformance.ts.
 */
export interface VolumeContext {
  pod: Pod;
  volume: Volume;
  /**
   * The driver's own directory for this volume of this pod: `DIR/pods/<uid>/volumes/<driver>/<name>`, or the same path
   * below a directory of the node's memory when the driver says `inMemory`.
   */
  directory: string;
  /** fsGroup of the pod, when set: files get this group. */
  fsGroup?: number;
  /** The one user all containers run as, when there is just one: owner of service-account tokens. */
  fsUser?: number;
  /** `cpu`, `memory`, ...: what resourceFieldRef means for a container without a limit. */
  nodeAllocatable?: Record<string, string>;
  /** Data the agent has fetched: ConfigMaps and Secrets by name (undefined = not there), and tokens. */
  sources: VolumeSources;
}

export interface VolumeSources {
  configMap(name: string): Record<string, Uint8Array> | undefined;
  secret(name: string): Record<string, Uint8Array> | undefined;
  /** A bound service-account token for the pod. */
  token(audience: string | undefined, expirationSeconds: number): Promise<string>;
}

export interface MountedVolume {
  /** Directory or file on the node to bind into containers. */
  path: string;
  readOnly: boolean;
}

export interface VolumeDriver {
  readonly name: string;
  /** The driver's volumes; exactly one driver of the list accepts each. */
  accepts(volume: Volume): boolean;
  /** Its content must never reach a disk: the agent gives it a directory on a tmpfs that is there already. */
  inMemory(volume: Volume): boolean;
  /** Makes or refreshes it; safe to repeat. Throws VolumeError when it cannot be made yet, with the reason a person reads. */
  mount(context: VolumeContext): Promise<MountedVolume>;
  /** Removes it and its content where it belongs to the pod. Harmless when it is gone. */
  unmount(context: Pick<VolumeContext, 'directory'>): Promise<void>;
}

/** `retry`: it may work later (the ConfigMap is not there yet). */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
  readonly retry: boolean;
  constructor(message: string, retry: boolean) {
    super(message);
    this.retry = retry;
  }
}
