import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import type { Client, Informer } from '#client/contract.ts';
import { startInformer } from '#client/informer.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { NodeNetwork, NodePeer } from '#network/contract.ts';

export interface PeersOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  network: Pick<NodeNetwork, 'syncPeers'>;
  nodeName: string;
  /** Told of each change of this node's own object. */
  onSelf?: (node: Node) => void;
  signal: AbortSignal;
}

const RETRY_MS = 1_000;

/** What the network must know of another node; undefined while it has no pods, or has not told where it is. */
export function peerOf({ metadata, spec, status }: Node): NodePeer | undefined {
  const podCidrs = spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
  const addresses = status?.addresses ?? [];
  if (podCidrs.length === 0 || addresses.length === 0) return undefined;
  const internal = addresses.filter(({ type }) => type === 'InternalIP');
  return { name: metadata.name, addresses: internal.map(({ address }) => address), podCidrs: [...podCidrs] };
}

export interface PeerSync {
  /** All nodes, this one too: who else needs them need not watch them again. */
  readonly nodes: Informer<Node>;
  /** Resolves once there are ways to all nodes of the first whole list. */
  readonly synced: Promise<void>;
  /** Resolves after the signal has aborted and nothing is being done any more. */
  readonly ended: Promise<void>;
}

/**
 * Keeps the ways to the pods of other nodes as the API has the nodes, until the signal aborts. Nothing is taken away before the
 * whole list is known: what stands from before an agent's restart holds.
 */
export function keepPeers(options: PeersOptions): PeerSync {
  let setSynced = () => {};
  const synced = new Promise<void>((resolve) => {
    setSynced = resolve;
  });
  const { client, clock, random, log, signal } = options;
  const onError = (error: unknown) => log.debug('The watch of nodes broke', { error: messageOf(error) });
  const nodes = startInformer<Node>({ client, clock, random, signal, onError, kind: NodeKind });
  return { nodes, synced, ended: follow(nodes, options, setSynced) };
}

async function follow(nodes: Informer<Node>, options: PeersOptions, setSynced: () => void): Promise<void> {
  const { clock, nodeName, signal } = options;
  let changed = () => {};
  signal.addEventListener('abort', () => changed(), { once: true });
  await nodes.synced;
  nodes.onChange(({ type, object }) => {
    changed();
    if (type !== 'deleted' && object.metadata.name === nodeName) options.onSelf?.(object);
  });
  let done = '';
  while (!signal.aborted) {
    const waiting = new Promise<void>((resolve) => {
      changed = resolve;
    });
    const peers = nodes
      .list()
      .filter(({ metadata }) => metadata.name !== nodeName)
      .flatMap((node) => peerOf(node) ?? [])
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const wanted = JSON.stringify(peers);
    // Heartbeats change nothing here.
    if (wanted !== done) {
      if (!(await sync(options, peers))) {
        await sleep(clock, RETRY_MS, signal).catch(() => {}); // only the abort ends it early
        continue;
      }
      done = wanted;
      setSynced();
    }
    await waiting;
  }
}

async function sync({ network, log, signal }: PeersOptions, peers: readonly NodePeer[]): Promise<boolean> {
  try {
    const unreachable = await network.syncPeers(peers);
    for (const { name, why } of unreachable)
      log.warn('There is no way to the pods of a node', { node: name, why });
    return true;
  } catch (error) {
    if (!signal.aborted) log.warn('The ways to other nodes could not be made', { error: messageOf(error) });
    return false;
  }
}
