import type { LoadedImage } from '#api/semantics/loaded-images.ts';
import type { Image, ImageStore, Peers, RegistryCredentials } from '#oci/contract.ts';
import { canonicalName, namesOf, parseReference } from '#oci/reference.ts';

/** What the cluster and its other nodes know of images; left out where a node is alone. */
export interface ClusterImages {
  /** The image that was loaded into the cluster under the name (whole form, with a tag). */
  loaded(name: string): LoadedImage | undefined;
  /** For an image of one of these names. */
  peersFor(names: readonly string[], patienceMs: number): Peers;
}

/** Bytes that came over the network since the start. */
export interface ReceivedBytes {
  peers: number;
  registry: number;
}

export interface Pulled {
  image: Image;
  /** Nodes that gave parts of it. */
  from: string[];
}

/** Busy nodes are waited for: an image that was loaded is to be had nowhere else; any other is, soon enough. */
const PATIENCE_MS = { loaded: 5 * 60_000, registry: 3_000 };

/** Brings images to the node, each once at a time, whoever wants it. */
export class Pulls {
  readonly received: ReceivedBytes = { peers: 0, registry: 0 };
  readonly #store: Pick<ImageStore, 'get' | 'pull'>;
  readonly #cluster: ClusterImages | undefined;
  readonly #signal: AbortSignal;
  readonly #running = new Map<string, Promise<Pulled>>();

  constructor(
    store: Pick<ImageStore, 'get' | 'pull'>,
    cluster: ClusterImages | undefined,
    signal: AbortSignal,
  ) {
    this.#store = store;
    this.#cluster = cluster;
    this.#signal = signal;
  }

  /** The image that was loaded into the cluster under this reference: what it means on every node. */
  loaded(reference: string): LoadedImage | undefined {
    const parsed = parseReference(reference);
    return parsed.digest === undefined ? this.#cluster?.loaded(canonicalName(parsed)) : undefined;
  }

  /** What is here under the reference. */
  onNode(reference: string): Promise<Image | undefined> {
    return this.#store.get(reference);
  }

  /** What is here under the reference; not what the cluster has since given the name to another image. */
  async present(reference: string): Promise<Image | undefined> {
    const image = await this.#store.get(reference);
    const loaded = this.loaded(reference);
    return !loaded || loaded.id === image?.id ? image : undefined;
  }

  /** All of it from other nodes. */
  fetchLoaded(loaded: LoadedImage): Promise<Pulled> {
    return this.#pull(loaded.name, loaded);
  }

  /** Asks the registry, with those credentials, and other nodes for layers. */
  fetch(reference: string, credentials: RegistryCredentials | undefined): Promise<Pulled> {
    return this.#pull(reference, undefined, credentials);
  }

  /** Who comes with other credentials does not get what these opened. */
  #pull(reference: string, loaded?: LoadedImage, credentials?: RegistryCredentials): Promise<Pulled> {
    const key = JSON.stringify([reference, loaded?.manifest.digest, credentials]);
    const running = this.#running.get(key);
    if (running) return running;
    const pull = this.#fetch(reference, loaded, credentials).finally(() => this.#running.delete(key));
    this.#running.set(key, pull);
    return pull;
  }

  async #fetch(reference: string, loaded?: LoadedImage, credentials?: RegistryCredentials): Promise<Pulled> {
    const from = new Map<string, number>();
    const parsed = parseReference(reference);
    const peers = this.#cluster?.peersFor(
      loaded ? namesOf(parsed, loaded.manifest.digest) : [canonicalName(parsed)],
      loaded ? PATIENCE_MS.loaded : PATIENCE_MS.registry,
    );
    const image = await this.#store.pull(reference, {
      ...(credentials && { credentials }),
      ...(peers && { peers }),
      ...(loaded && { loaded: loaded.manifest }),
      onReceived: (bytes, peer) => {
        // What turned out to be of no use came all the same.
        this.received[peer === undefined ? 'registry' : 'peers'] += Math.max(0, bytes);
        if (peer !== undefined) from.set(peer, (from.get(peer) ?? 0) + bytes);
      },
      signal: this.#signal,
    });
    return { image, from: [...from].flatMap(([peer, bytes]) => (bytes > 0 ? [peer] : [])).sort() };
  }
}
