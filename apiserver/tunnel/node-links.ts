import type { Duplex } from 'node:stream';
import type { NodeLink } from '#api/node-link.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Transport } from '#machinery/transport.ts';
import { callTunnel, type Tunnel } from '#machinery/tunnel/tunnel.ts';

/**
 * For this long after the start, or after its tunnel broke, a node is expected back: requests to it wait, for at most
 * as long again. An agent dials at least every second.
 */
const EXPECTED_MS = 2_000;

/**
 * The tunnels of the nodes, one for each: a new one takes the place of the old, since a node that dials again has lost
 * the other or never knew it. See api/node-link.ts.
 */
export class NodeLinks implements NodeLink {
  readonly #clock: Clock;
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #startedAt: number;
  /** When the tunnel of a node that has none broke; forgotten when it is no longer expected back. */
  readonly #brokeAt = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** Takes over a connection that the agent of `node` has dialled and that has been answered with 101. */
  accept(node: string, connection: Duplex): void {
    const tunnel = callTunnel(connection, this.#clock);
    const old = this.#tunnels.get(node);
    this.#tunnels.set(node, tunnel);
    old?.close();
    this.#brokeAt.delete(node);
    for (const wake of this.#waiting.get(node) ?? []) wake();
    tunnel.closed.then(() => {
      if (this.#tunnels.get(node) !== tunnel) return;
      this.#tunnels.delete(node);
      this.#brokeAt.set(node, this.#clock.monotonic());
      this.#clock.timer(EXPECTED_MS, () => this.#brokeAt.delete(node));
    });
  }

  open(node: string): Transport {
    return httpOver(async () => (await this.#tunnel(node)).open({ kind: 'agent' }), this.#clock);
  }

  async dial(node: string, address: string): Promise<Duplex> {
    return (await this.#tunnel(node)).open({ kind: 'dial', address });
  }

  connected(node: string): boolean {
    return this.#tunnels.has(node);
  }

  /** Those that are connected. */
  nodes(): string[] {
    return [...this.#tunnels.keys()];
  }

  /** Ends the tunnel of a node that is not expected back. */
  drop(node: string): void {
    const tunnel = this.#tunnels.get(node);
    this.#tunnels.delete(node);
    tunnel?.close();
  }

  close(): void {
    for (const tunnel of this.#tunnels.values()) tunnel.close();
    this.#tunnels.clear();
  }

  async #tunnel(node: string): Promise<Tunnel> {
    const started = this.#clock.monotonic() - this.#startedAt < EXPECTED_MS;
    if (!this.connected(node) && (started || this.#brokeAt.has(node))) await this.#arrival(node);
    const tunnel = this.#tunnels.get(node);
    if (tunnel) return tunnel;
    throw new StatusError(
      'ServiceUnavailable',
      `node ${JSON.stringify(node)} is not connected to this server: its agent is down or cannot reach it`,
    );
  }

  /** Resolves when the node has dialled, or when it is no longer worth waiting. */
  #arrival(node: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(node) ?? new Set();
      this.#waiting.set(node, waiting);
      const done = () => {
        timer.cancel();
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(node);
        resolve();
      };
      const timer = this.#clock.timer(EXPECTED_MS, done);
      waiting.add(done);
    });
  }
}
