import type { Server } from 'node:http';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { LOADED_IMAGES, type LoadedImage, loadedImages } from '#api/semantics/loaded-images.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { Client, Informer } from '#client/contract.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Logger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import type { Random } from '#machinery/random.ts';
import type { Image, SharedContent } from '#oci/contract.ts';
import { PeerAsker } from '../peers/ask.ts';
import { blobServer } from '../peers/blob-server.ts';
import { watchConfigMap } from '../peers/config-map.ts';
import { type KnownPeer, knownPeer } from '../peers/nodes.ts';
import { IMAGE_PORT_ANNOTATION } from '../peers/protocol.ts';
import { dialPeer, listenForPeers, type PeerTrust } from '../peers/tls.ts';
import { nodeOfCertificate } from '../peers/vouch.ts';
import type { ClusterImages } from './pulls.ts';

/** What of this node's images others may have, and how the nodes know each other. */
export interface Sharing {
  content: SharedContent;
  /** Where others are served; port 0: nowhere. */
  listen: { host: string; port: number };
  /** The node's certificate and key in use now. */
  held(): KeyAndCertificate;
}

interface Deps {
  sharing: Sharing;
  nodes: Pick<Informer<Node>, 'list' | 'onChange'>;
  nodeName: string;
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

export interface SharedImages extends ClusterImages {
  /** By name; undefined until the server has told. */
  all(): ReadonlyMap<string, LoadedImage> | undefined;
  onChange(listener: () => void): void;
  /** Whether this copy may go: another node has one, and not both think so of each other. */
  isElsewhere(image: Image): Promise<boolean>;
  /** Serves other nodes and says so on the Node, which must be there. Resolves after the first try: it goes on trying. */
  serve(): Promise<void>;
  /** Bytes given to other nodes since the start. */
  sentBytes(): number;
}

/** What this node knows of the others' images, and what they get of its own. */
export function shareImages(deps: Deps): SharedImages {
  const { sharing, nodeName, clock, random, log, signal } = deps;
  const keys = watchConfigMap(deps, NODE_KEYS);
  const trust: PeerTrust = {
    held: sharing.held,
    vouch: (certificate) => nodeOfCertificate(certificate, keys.data(), clock.now()),
  };
  const loaded = watchLoaded(deps);
  const peers = watchPeers(deps);
  const open = (name: string) =>
    httpOver(async () => {
      const peer = peers.get(name);
      if (!peer) throw new Error(`${name} serves no images`);
      return dialPeer(peer, trust, clock);
    }, clock);
  const asker = new PeerAsker({ nodes: () => [...peers.values()], open, clock, random, log });
  let sent = 0;
  const onSent = (bytes: number) => {
    sent += bytes;
  };
  const server = blobServer({ content: sharing.content, clock, log, onSent });
  signal.addEventListener('abort', () => server.closeAllConnections(), { once: true });
  return {
    all: loaded.all,
    onChange: loaded.onChange,
    loaded: (name) => loaded.all()?.get(name),
    peersFor: (names, patienceMs) => asker.peersFor(names, patienceMs),
    async isElsewhere({ manifest }) {
      const holders = manifest ? await asker.whoHas(manifest, signal) : [];
      return holders.some((name) => name < nodeName);
    },
    serve: () => new Promise((resolve) => void serveOthers(deps, server, trust, resolve)),
    sentBytes: () => sent,
  };
}

function watchLoaded(deps: Deps): Pick<SharedImages, 'all' | 'onChange'> {
  const map = watchConfigMap(deps, LOADED_IMAGES);
  let known = false;
  let read: { data: Record<string, string> | undefined; images: Map<string, LoadedImage> } | undefined;
  const listeners: (() => void)[] = [];
  const tell = () => {
    for (const listener of listeners) listener();
  };
  void map.synced.then(() => {
    known = true;
    tell();
  });
  map.onChange(tell);
  return {
    all() {
      const data = map.data();
      // Until it is known what there is, what is known already counts, and nothing is taken for gone.
      if (!known && data === undefined) return undefined;
      if (!read || read.data !== data) read = { data, images: loadedImages(data) };
      return read.images;
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

/** The other nodes that serve images, by name. */
function watchPeers({ nodes, nodeName }: Deps): ReadonlyMap<string, KnownPeer> {
  const peers = new Map<string, KnownPeer>();
  nodes.onChange(({ type, object }) => {
    const { name } = object.metadata;
    const peer = type === 'deleted' || name === nodeName ? undefined : knownPeer(object);
    if (peer) peers.set(name, peer);
    else peers.delete(name);
  });
  return peers;
}

const RETRY_MS = 5_000;

/** Until it succeeds: an agent that is just ending may still have the port. */
async function serveOthers(deps: Deps, server: Server, trust: PeerTrust, onTried: () => void): Promise<void> {
  const { sharing, nodeName, client, clock, log, signal } = deps;
  const { listen } = sharing;
  let port: number | undefined;
  for (let told = ''; !signal.aborted; ) {
    try {
      port ??= listen.port === 0 ? 0 : await listenForPeers(server, listen, trust, clock, signal);
      const annotations = { [IMAGE_PORT_ANNOTATION]: port === 0 ? null : String(port) };
      const body = { metadata: { annotations } };
      await client.patch(NodeKind, { name: nodeName }, { type: 'merge', body });
      return onTried();
    } catch (error) {
      const message = messageOf(error);
      if (message !== told)
        log.warn('Other nodes get no images of this one yet', { ...listen, error: message });
      told = message;
      onTried();
      await sleep(clock, RETRY_MS, signal).catch(() => undefined); // only the abort ends it early
    }
  }
}
