import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf, type Node, type Pod } from '#api/objects.ts';
import { availabilityPatch, DRAINED, type DrainOptions, drainOf } from '#api/semantics/availability.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import type { Client } from '#client/contract.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';

export interface DrainOrder extends DrainOptions {
  node: string;
  /** 0: as long as it takes. */
  timeoutMs: number;
}

export interface DrainDeps {
  client: Client;
  clock: Clock;
  /** Told how far it is, again and again. */
  show(text: string): void;
  signal?: AbortSignal;
}

/** Pods stay though they were to go: a budget holds them, or they do not end. */
export class NotDrainedError extends Error {}

const LOOK_EVERY_MS = 300;
/** A server may be away for so long; another one takes over in less. */
const AWAY_MS = 30_000;

/**
 * Has the cluster drain a node, and waits until it is: its pods are evicted as budgets allow, with their volumes of type emptyDir;
 * those of DaemonSets stay. Rejects with NotDrainedError when pods stay that nobody would make anew (before anything is
 * changed, unless forced), and at the end of the time: the node goes on being drained then.
 */
export async function drain(order: DrainOrder, deps: DrainDeps): Promise<void> {
  const { node, timeoutMs, force, gracePeriodSeconds } = order;
  const { client, clock, signal } = deps;
  const options = {
    ...(force && { force }),
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
  };
  const { unmanaged } = await podsOf(client, node, options);
  if (unmanaged.length > 0) throw new NotDrainedError(unmanagedText(unmanaged));
  const body = availabilityPatch('drain', options);
  await client.patch(NodeKind, { name: node }, { type: 'merge', body });
  const endMs = timeoutMs > 0 ? clock.monotonic() + timeoutMs : Number.POSITIVE_INFINITY;
  let last = 'it has not begun';
  for (let heardMs = clock.monotonic(); ; await sleep(clock, LOOK_EVERY_MS, signal)) {
    try {
      const seen = await look(client, node, options);
      heardMs = clock.monotonic();
      if (seen === undefined) return;
      last = seen;
    } catch (error) {
      if (!isAway(error) || clock.monotonic() - heardMs > AWAY_MS) throw error;
      last = messageOf(error);
    }
    deps.show(last);
    if (clock.monotonic() >= endMs)
      throw new NotDrainedError(
        `${node} is not drained after ${timeoutMs / 1000} s: ${last}; it goes on being drained ("gantry node update --availability active ${node}" ends that)`,
      );
  }
}

/** What is left to do; undefined: nothing. */
async function look(client: Client, name: string, options: DrainOptions): Promise<string | undefined> {
  const node = await client.get(NodeKind, { name });
  const { left, unmanaged } = await podsOf(client, name, options);
  if (left.length === 0 && node.spec?.unschedulable) {
    if (unmanaged.length > 0) throw new NotDrainedError(unmanagedText(unmanaged));
    return undefined;
  }
  return conditionOf(node.status?.conditions, DRAINED)?.message ?? 'it has not begun';
}

async function podsOf(client: Client, node: string, options: DrainOptions) {
  const { items } = await client.list(PodKind, { fieldSelector: `spec.nodeName=${node}` });
  const of = (fate: ReturnType<typeof drainOf>) => items.filter((pod) => drainOf(pod, options) === fate);
  return { left: of('goes'), unmanaged: of('unmanaged') };
}

function unmanagedText(pods: readonly Pod[]): string {
  return `no controller would make ${pods.map(keyOf).sort().join(', ')} anew elsewhere: --force lets go of them too`;
}

/** Nobody answers now, or has the time to. */
function isAway(error: unknown): boolean {
  const reasons = [
    'ServiceUnavailable',
    'Timeout',
    'ServerTimeout',
    'TooManyRequests',
    'InternalError',
  ] as const;
  return reasons.some((reason) => isStatus(error, reason));
}

/** Whether its agent says that all is well. */
export function isReady({ status }: Node): boolean {
  return conditionOf(status?.conditions, 'Ready')?.status === 'True';
}
