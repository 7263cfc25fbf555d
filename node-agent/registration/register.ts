import { NODE_GRACE_MS } from '#api/cluster-settings.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import type { Client, Informer } from '#client/contract.ts';
import { renewNodeLease } from '#client/leases.ts';
import { type Clock, every, sleep } from '#machinery/clock.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import {
  featureAnnotations,
  isStatusDue,
  type MachineFacts,
  type NodeHealth,
  nodeObject,
  nodeStatus,
} from './node.ts';

export interface RegistrationOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  facts: MachineFacts;
  /** How long the node may be silent before it counts as lost. */
  graceMs?: number;
  /** Looked at before each status. */
  health(): Promise<NodeHealth>;
  signal: AbortSignal;
}

export interface Registration {
  /** Looks at the status now: something important has changed. */
  touch(): void;
}

/** How often the status is compared with what the API has. Source: Kubernetes, "Node heartbeats": the Lease is what beats. */
const STATUS_MS = 60_000;
const RETRY_MS = 1_000;

/** Makes or finds the Node object, trying until the server answers. */
export async function registerNode(options: RegistrationOptions): Promise<Node> {
  const { client, clock, log, facts, signal } = options;
  for (;;) {
    try {
      return await findOrMake(client, facts);
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn('The node could not be registered yet', { error: messageOf(error) });
      await sleep(clock, RETRY_MS, signal);
    }
  }
}

async function findOrMake(client: Client, facts: MachineFacts): Promise<Node> {
  const wanted = nodeObject(facts);
  const annotations = featureAnnotations(facts);
  try {
    const { labels } = wanted.metadata;
    const body = { metadata: { labels, annotations } };
    return await client.patch(NodeKind, { name: facts.name }, { type: 'merge', body });
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
    return client.create(NodeKind, { ...wanted, metadata: { ...wanted.metadata, annotations } });
  }
}

/** The node's blocks of pod addresses, once a controller has given it some. */
export function podCidrsOf(informer: Informer<Node>, name: string, signal: AbortSignal): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const stop = informer.onChange((change) => {
      const { metadata, spec } = change.object;
      const blocks = spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
      if (change.type !== 'deleted' && metadata.name === name && blocks.length > 0) {
        resolve(blocks);
        queueMicrotask(() => stop());
      }
    });
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Heartbeats and status until the signal aborts. A server that is away is waited for. */
export function keepRegistered(node: Node, options: RegistrationOptions): Registration {
  const { clock, log, signal, graceMs = NODE_GRACE_MS } = options;
  let writing = false;
  let again = false;
  const status = async () => {
    again = true;
    if (writing) return;
    writing = true;
    while (again && !signal.aborted) {
      again = false;
      await writeStatus(options).catch(async (error) => {
        if (signal.aborted) return;
        log.warn('The status of the node could not be written', { error: messageOf(error) });
        again = true;
        await sleep(clock, RETRY_MS, signal).catch(() => {}); // only the abort ends it early
      });
    }
    writing = false;
  };
  const renew = () =>
    renewNodeLease(
      options.client,
      clock,
      { name: node.metadata.name, uid: node.metadata.uid! },
      graceMs,
    ).catch((error) => {
      if (!signal.aborted)
        log.warn('The lease of the node could not be renewed', { error: messageOf(error) });
    });
  every(clock, graceMs / 4, signal, renew, true);
  every(clock, STATUS_MS, signal, status, true);
  return { touch: () => void status() };
}

async function writeStatus({ client, clock, facts, health }: RegistrationOptions): Promise<void> {
  const look = await health();
  const node = await client.get(NodeKind, { name: facts.name }).catch((error) => {
    // Somebody deleted it while the node is at work: it says again that it is there.
    if (isStatus(error, 'NotFound')) return findOrMake(client, facts);
    throw error;
  });
  const status = nodeStatus(facts, look, node.status, clock.now());
  if (!isStatusDue(node.status, status, clock.now())) return;
  await client.updateStatus(NodeKind, { ...node, status });
}
