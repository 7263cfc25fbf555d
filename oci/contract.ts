/**
 * Images as data. Sources: OCI image-spec 1.1, OCI distribution-spec 1.1, Docker Registry HTTP API V2 schema 2.
 */

/** `sha256:<64 hex>`. */
export type Digest = string;

export interface ImageConfig {
  entrypoint: string[];
  cmd: string[];
  env: string[];
  workingDir: string;
  /** As in the image: `user`, `uid`, `user:group`, `uid:gid`; resolved against the image's /etc/passwd by the agent. */
  user: string;
  exposedPorts: string[];
  volumes: string[];
  labels: Record<string, string>;
  stopSignal: string;
  architecture: string;
  os: string;
}

export interface Image {
  /** Digest of the config: what `status.containerStatuses[].imageID` names when there is no manifest digest. */
  id: Digest;
  /** Tags and digests that resolve to it: `docker.io/library/nginx:1.27`, `...@sha256:...`. */
  names: string[];
  config: ImageConfig;
  /** Unpacked layer directories, lowest first: lowerdirs for the snapshot room. */
  layers: string[];
  /** Of all its layers, unpacked. */
  sizeBytes: number;
  source: ImageSource;
  /** By which other nodes can be given it; left out for an archive that an earlier version took in. */
  manifest?: BlobRef;
}

/** Where an image came from: a registry, an archive on this node, or other nodes, one of which had the archive. */
export type ImageSource = 'registry' | 'archive' | 'peers';

/** What content is called by: its digest, and how many bytes it has. */
export interface BlobRef {
  digest: Digest;
  size: number;
}

export interface RegistryCredentials {
  username: string;
  password: string;
}

export interface PullProgress {
  /** Compressed bytes so far and in all (undefined until the manifest is known). */
  doneBytes: number;
  totalBytes: number | undefined;
}

/** Another node that has a blob. */
export interface BlobPeer {
  readonly name: string;
  /** The bytes from `offset` on, which nobody has verified yet. Fails, or ends early, when the peer is slow or goes. */
  open(offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** The other nodes, asked before any registry. */
export interface Peers {
  /** Those that have the blob, best first, until nobody is left to ask; waits for some that are busy. */
  holders(blob: BlobRef, signal: AbortSignal): AsyncIterable<BlobPeer>;
  /** What this peer gave as the blob is something else: it is not to be asked again soon. */
  blame(peer: string, digest: Digest): void;
}

export interface PullOptions {
  credentials?: RegistryCredentials;
  peers?: Peers;
  /** Manifest that the cluster has given the name: all of the image comes from peers, and no registry is asked. */
  loaded?: BlobRef;
  onProgress?: (progress: PullProgress) => void;
  /** Each piece that came over the network; `peer` undefined = from the registry. */
  onReceived?: (bytes: number, peer: string | undefined) => void;
  signal: AbortSignal;
}

/**
 * What other nodes may be given: everything of images that were loaded, and layers of those of registries. Manifests and
 * configs of registries are given to nobody: only the registry decides who may have the digests of layers that are in them.
 */
export interface SharedContent {
  /** Undefined: it is not here, or is not for others. */
  openShared(
    digest: Digest,
    offset: number,
  ): Promise<{ size: number; bytes(): AsyncIterable<Uint8Array> } | undefined>;
}

/**
 * Content-addressed images on one node. Digests are verified while streaming; a layer is unpacked once and shared; a
 * crash at any point leaves nothing that later reads as whole. Concurrent pulls of one blob join.
 */
export interface ImageStore {
  /** By any name or id prefix of a present image. */
  get(reference: string): Promise<Image | undefined>;
  list(): Promise<Image[]>;
  /** Fetches manifest, config and missing layers and unpacks them; layers from peers first. */
  pull(reference: string, options: PullOptions): Promise<Image>;
  /** A `docker save` or OCI layout tar; returns what it held. `name` names an image that has none. */
  import(tar: AsyncIterable<Uint8Array>, name?: string): Promise<Image[]>;
  /** Takes the names away and removes what nothing refers to; `inUse` ids are kept. */
  remove(reference: string, inUse: ReadonlySet<Digest>): Promise<void>;
}

/** Makes a directory of one uncompressed layer tar, confined to it. Implemented by the runtime's unpack program. */
export interface Unpacker {
  unpack(tar: AsyncIterable<Uint8Array>, directory: string, signal: AbortSignal): Promise<void>;
}

export type ImageErrorCode =
  | 'InvalidReference'
  | 'NotFound'
  | 'Unauthorized'
  | 'Unreachable'
  | 'DigestMismatch'
  | 'Unsupported'
  | 'InUse'
  | 'NoSpace'
  | 'Invalid';

/** The message holds the registry's own words where it gave some. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;
  constructor(code: ImageErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
