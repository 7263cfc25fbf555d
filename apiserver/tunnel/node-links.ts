import type { Duplex } from 'node:stream';
import type { NodeLink } from '#api/node-link.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Transport } from '#machinery/transport.ts';
import { callTunnel, type Tunnel } from '#machinery/tunnel/tunnel.ts';

/**
 * The tunnels of the nodes, one for each: a new one takes the place of the old, since a node that dials again has lost
 * the other or never knew it. See api/node-link.ts.
 */
export class NodeLinks implements NodeLink {
  readonly #clock: Clock;
  readonly #tunnels = new Map<string, Tunnel>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes over a connection that the agent of `node` has dialled and that has been answered with 101. */
  accept(node: string, connection: Duplex): void {
    const tunnel = callTunnel(connection, this.#clock);
    const old = this.#tunnels.get(node);
    this.#tunnels.set(node, tunnel);
    old?.close();
    tunnel.closed.then(() => {
      if (this.#tunnels.get(node) === tunnel) this.#tunnels.delete(node);
    });
  }

  open(node: string): Transport {
    return httpOver(() => this.#tunnel(node).open({ kind: 'agent' }), this.#clock);
  }

  async dial(node: string, address: string): Promise<Duplex> {
    return this.#tunnel(node).open({ kind: 'dial', address });
  }

  connected(node: string): boolean {
    return this.#tunnels.has(node);
  }

  close(): void {
    for (const tunnel of this.#tunnels.values()) tunnel.close();
    this.#tunnels.clear();
  }

  #tunnel(node: string): Tunnel {
    const tunnel = this.#tunnels.get(node);
    if (tunnel) return tunnel;
    throw new StatusError(
      'ServiceUnavailable',
      `node ${JSON.stringify(node)} is not connected to this server: its agent is down or cannot reach it`,
    );
  }
}
