/**
 * Writable layers over read-only image layers. A snapshot is directories and a mount as data: the runtime mounts it in
 * the container's own mount namespace, so nothing is mounted on the node. Implementations: overlayfs/, fake/.
 */

/** Structurally runtime/contract.ts Mount; the rooms meet in node-agent. */
export interface SnapshotMount {
  type: 'overlay' | 'bind';
  source: string;
  target: '/';
  options: string[];
}

export interface Snapshots {
  /**
   * A writable layer `id` ([a-z0-9.-]) over `layers` (directories, lowest first). Repeating it with the same layers
   * keeps what was written.
   */
  prepare(id: string, layers: readonly string[]): Promise<SnapshotMount>;
  /** Harmless when it is gone. */
  remove(id: string): Promise<void>;
  list(): Promise<string[]>;
  /** Bytes and inodes of the writable layer alone. */
  usage(id: string): Promise<{ bytes: number; inodes: number }>;
}
