import type { Duplex } from 'node:stream';
import type { NodeLink } from '#api/node-link.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Transport } from '#machinery/transport.ts';
import { callTunnel, type StreamClass, type Tunnel, type TunnelTarget } from '#machinery/tunnel/tunnel.ts';

/**
 * For this long after the start, or after one of its tunnels came or broke, a node is expected to dial what is missing: requests wait,
 * for at most as long again. An agent dials at least every second.
 */
const EXPECTED_MS = 2_000;

/** What a node has dialled. */
interface Dialled {
  tunnels: Map<StreamClass, Tunnel>;
  /** When one of them came or broke last. */
  changedAt: number;
}

/**
 * The tunnels of the nodes, one for each class: a new one takes the place of the old, since a node that dials again has lost the other
 * or never knew it. See api/node-link.ts.
 */
export class NodeLinks implements NodeLink {
  readonly #clock: Clock;
  /** Of nodes that are connected, or expected back. */
  readonly #nodes = new Map<string, Dialled>();
  readonly #startedAt: number;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** Takes over a connection that the agent of `node` has dialled and that has been answered with 101. */
  accept(node: string, use: StreamClass, connection: Duplex): void {
    const tunnel = callTunnel(connection, use, this.#clock);
    const dialled = this.#nodes.get(node) ?? { tunnels: new Map(), changedAt: 0 };
    const old = dialled.tunnels.get(use);
    dialled.tunnels.set(use, tunnel);
    dialled.changedAt = this.#clock.monotonic();
    this.#nodes.set(node, dialled);
    old?.close();
    for (const wake of this.#waiting.get(node) ?? []) wake();
    tunnel.closed.then(() => {
      if (dialled.tunnels.get(use) !== tunnel) return;
      dialled.tunnels.delete(use);
      dialled.changedAt = this.#clock.monotonic();
      this.#clock.timer(EXPECTED_MS, () => this.#forget(node));
    });
  }

  open(node: string, use: StreamClass): Transport {
    return httpOver(() => this.stream(node, { kind: 'agent' }, use), this.#clock);
  }

  dial(node: string, address: string, use: StreamClass): Promise<Duplex> {
    return this.stream(node, { kind: 'dial', address }, use);
  }

  /**
   * A stream to what a node connects it to; in the node's other tunnel where it has none of this class. When it fails, `connected` knows
   * whether it was for the tunnel.
   */
  async stream(node: string, target: TunnelTarget, use: StreamClass): Promise<Duplex> {
    const tunnel = await this.#tunnel(node, use);
    try {
      return await tunnel.open(target);
    } catch (error) {
      if (tunnel.broken) await tunnel.closed;
      throw error;
    }
  }

  connected(node: string): boolean {
    return (this.#nodes.get(node)?.tunnels.size ?? 0) > 0;
  }

  /** Those that are connected. */
  nodes(): string[] {
    return [...this.#nodes.keys()].filter((node) => this.connected(node));
  }

  /** Ends the tunnels of a node that is not expected back. */
  drop(node: string): void {
    const dialled = this.#nodes.get(node);
    this.#nodes.delete(node);
    const tunnels = [...(dialled?.tunnels.values() ?? [])];
    dialled?.tunnels.clear();
    for (const tunnel of tunnels) tunnel.close();
  }

  close(): void {
    for (const node of [...this.#nodes.keys()]) this.drop(node);
  }

  #forget(node: string): void {
    const dialled = this.#nodes.get(node);
    if (dialled?.tunnels.size === 0 && !this.#isExpected(dialled)) this.#nodes.delete(node);
  }

  #isExpected(dialled: Dialled | undefined): boolean {
    return this.#clock.monotonic() - (dialled?.changedAt ?? this.#startedAt) < EXPECTED_MS;
  }

  async #tunnel(node: string, use: StreamClass): Promise<Tunnel> {
    const untilMs = this.#clock.monotonic() + EXPECTED_MS;
    for (;;) {
      const dialled = this.#nodes.get(node);
      const tunnel = dialled?.tunnels.get(use);
      if (tunnel) return tunnel;
      const leftMs = untilMs - this.#clock.monotonic();
      if (leftMs > 0 && this.#isExpected(dialled)) {
        await this.#arrival(node, leftMs);
        continue;
      }
      const [other] = dialled?.tunnels.values() ?? [];
      if (other) return other;
      throw new StatusError(
        'ServiceUnavailable',
        `node ${JSON.stringify(node)} is not connected to this server: its agent is down or cannot reach it`,
      );
    }
  }

  /** Resolves when the node has dialled, or when it is no longer worth waiting. */
  #arrival(node: string, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(node) ?? new Set();
      this.#waiting.set(node, waiting);
      const done = () => {
        timer.cancel();
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(node);
        resolve();
      };
      const timer = this.#clock.timer(withinMs, done);
      waiting.add(done);
    });
  }
}
