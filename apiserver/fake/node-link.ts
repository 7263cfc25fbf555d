import type { Server } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import type { NodeLink } from '#api/node-link.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Transport } from '#machinery/transport.ts';

/** Nodes in the same process: each is an HTTP server that is handed connections, and a way to dial. */
export class FakeNodeLink implements NodeLink {
  readonly #clock: Clock;
  readonly #nodes = new Map<string, { server: Server; dial: (address: string) => Promise<Duplex> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connect(
    node: string,
    server: Server,
    dial: (address: string) => Promise<Duplex> = () => Promise.reject(new Error('nothing to dial')),
  ): void {
    this.#nodes.set(node, { server, dial });
  }

  disconnect(node: string): void {
    this.#nodes.delete(node);
  }

  open(node: string): Transport {
    return httpOver(async () => {
      const [ours, theirs] = duplexPair();
      this.#node(node).server.emit('connection', theirs);
      return ours;
    }, this.#clock);
  }

  async dial(node: string, address: string): Promise<Duplex> {
    return this.#node(node).dial(address);
  }

  #node(node: string) {
    const found = this.#nodes.get(node);
    if (found) return found;
    throw new StatusError('ServiceUnavailable', `node ${JSON.stringify(node)} is not connected`);
  }
}
