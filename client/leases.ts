/**
 * Leases: leadership among equal processes, and the heartbeat of a node. A leader that cannot renew stops its work before
 * its lease runs out for the others; it never trusts their clocks, only how long it has watched a lease stand still.
 */
import { NODE_GRACE_MS } from '#api/cluster-settings.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import type { Lease } from '#api/objects.ts';
import { type Clock, orAfter, rfc3339Micro, sleep } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import type { Random } from '#machinery/random.ts';
import type { Client } from './contract.ts';

export interface ElectionOptions {
  client: Pick<Client, 'get' | 'create' | 'update'>;
  clock: Clock;
  random: Random;
  /** The Lease, `kube-system/gantry-controllers`. */
  namespace: string;
  name: string;
  /** Unique per process. */
  identity: string;
  /** Others may take the lease when it stood still for this long. Default 15 s. */
  leaseMs?: number;
  /** The leader gives up when it could not renew for this long; less than leaseMs. Default 10 s. */
  renewDeadlineMs?: number;
  /** Between attempts. Default 2 s. */
  retryMs?: number;
  /** Who is not fit takes no lease, and gives up the one it has. Asked before each attempt. */
  isFit?: () => boolean;
  /** The lease is ours, and nobody else's before `untilMs` of the clock's monotonic time. */
  onRenewed?: (untilMs: number) => void;
  onError?: (error: unknown) => void;
}

const LEASE_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2_000;
/** Who ends waits so long for the lease to be handed on; with a store that takes no writes it is left to run out. */
const RELEASE_MS = 2_000;

/**
 * Waits for leadership, calls `lead` with a signal that aborts when it is lost, and starts over, until `signal` aborts.
 * A lease held at the end is released, so that the next leader need not wait.
 */
export async function runElection(
  options: ElectionOptions,
  signal: AbortSignal,
  lead: (leading: AbortSignal) => Promise<void>,
): Promise<void> {
  const { clock, random, retryMs = RETRY_MS, isFit = () => true } = options;
  const candidate = new Candidate(options);
  while (!signal.aborted) {
    if (isFit() && (await candidate.attempt())) await hold(options, candidate, signal, lead);
    else
      await sleep(clock, candidate.pauseMs(retryMs * (1 + random.next() / 5)), signal).catch(() => undefined);
  }
}

async function hold(
  options: ElectionOptions,
  candidate: Candidate,
  signal: AbortSignal,
  lead: (leading: AbortSignal) => Promise<void>,
): Promise<void> {
  const { clock, retryMs = RETRY_MS, renewDeadlineMs = RENEW_DEADLINE_MS, isFit = () => true } = options;
  const leading = new AbortController();
  const work = lead(AbortSignal.any([leading.signal, signal])).catch((error) => options.onError?.(error));
  let renewedAt = clock.monotonic();
  let asking: Promise<unknown> = Promise.resolve();
  let finished = false;
  void work.then(() => {
    finished = true;
  });
  while (!signal.aborted && !finished) {
    await sleep(clock, retryMs, signal).catch(() => undefined);
    if (signal.aborted || finished || !isFit()) break;
    const askedAt = clock.monotonic();
    const attempt = candidate.attempt();
    asking = attempt;
    // An answer that is late is none: the others count the lease's time, whatever became of it.
    const renewed = await orAfter(clock, renewedAt + renewDeadlineMs - askedAt, attempt, signal);
    if (renewed) renewedAt = askedAt;
    else if (candidate.lost || clock.monotonic() - renewedAt >= renewDeadlineMs) break;
  }
  leading.abort();
  await work;
  await orAfter(
    clock,
    RELEASE_MS,
    asking.then(() => candidate.release()),
  );
}

class Candidate {
  readonly #options: ElectionOptions;
  /** The lease as last seen, and since when it has stood still. */
  #seen: { version: string; at: number } | undefined;
  #held: Lease | undefined;
  /** Somebody else holds it for sure. */
  lost = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** True when the lease is ours now. */
  async attempt(): Promise<boolean> {
    const { clock, leaseMs = LEASE_MS, onRenewed } = this.#options;
    const askedAt = clock.monotonic();
    const isOurs = await this.#claimed();
    // Others count from when they see it, which is later.
    if (isOurs) onRenewed?.(askedAt + leaseMs);
    return isOurs;
  }

  async #claimed(): Promise<boolean> {
    const { client, namespace, name, identity, clock, leaseMs = LEASE_MS, onError } = this.#options;
    try {
      const current = await this.#read();
      if (!current) {
        this.#held = await client.create(LeaseKind, this.#claim(undefined));
        return true;
      }
      const holder = current.spec?.holderIdentity;
      const version = current.metadata.resourceVersion ?? '';
      if (this.#seen?.version !== version) this.#seen = { version, at: clock.monotonic() };
      this.lost = Boolean(holder) && holder !== identity;
      if (this.lost && clock.monotonic() - this.#seen.at < leaseMs) return false;
      this.#held = await client.update(LeaseKind, this.#claim(current));
      this.lost = false;
      return true;
    } catch (error) {
      if (!isStatus(error, 'Conflict', 'AlreadyExists')) onError?.(error);
      if (!isStatus(error))
        throw new Error(`lease ${namespace}/${name}: unexpected failure`, { cause: error });
      return false;
    }
  }

  /** How long to wait for the next attempt: `retryMs`, or less when the lease can be taken before. */
  pauseMs(retryMs: number): number {
    const { clock, leaseMs = LEASE_MS } = this.#options;
    if (!this.lost || !this.#seen) return retryMs;
    const leftMs = this.#seen.at + leaseMs - clock.monotonic();
    return leftMs > 0 ? Math.min(retryMs, leftMs) : retryMs;
  }

  async release(): Promise<void> {
    const { client, identity, onError } = this.#options;
    if (!this.#held || this.lost || this.#held.spec?.holderIdentity !== identity) return;
    const released = {
      ...this.#held,
      spec: { ...this.#held.spec, holderIdentity: '', leaseDurationSeconds: 1 },
    };
    this.#held = undefined;
    await client.update(LeaseKind, released).catch((error) => onError?.(error));
  }

  async #read(): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    try {
      return await client.get(LeaseKind, { namespace, name });
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #claim(current: Lease | undefined): Lease {
    const { namespace, name, identity, clock, leaseMs = LEASE_MS } = this.#options;
    const now = rfc3339Micro(clock.now());
    const mine = current?.spec?.holderIdentity === identity;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: current?.metadata ?? { namespace, name },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseMs / 1000),
        acquireTime: mine ? current?.spec?.acquireTime : now,
        renewTime: now,
        leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (current && !mine ? 1 : 0),
      },
    };
  }
}

/** Namespace of the heartbeats of nodes. Source: Kubernetes, "Leases". */
export const NODE_LEASE_NAMESPACE = 'kube-node-lease';

/**
 * One heartbeat of a node: makes its Lease or renews it. Call it four times in `graceMs`, after which the node counts as lost. The
 * Node owns the Lease, which so goes with it.
 */
export async function renewNodeLease(
  client: Client,
  clock: Clock,
  node: { name: string; uid: string },
  graceMs = NODE_GRACE_MS,
): Promise<void> {
  const spec = {
    holderIdentity: node.name,
    leaseDurationSeconds: Math.ceil(graceMs / 1000),
    renewTime: rfc3339Micro(clock.now()),
  };
  const ref = { namespace: NODE_LEASE_NAMESPACE, name: node.name };
  try {
    await client.patch(LeaseKind, ref, { type: 'merge', body: { spec } });
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
    await client.create(LeaseKind, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...ref,
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid }],
      },
      spec,
    });
  }
}
