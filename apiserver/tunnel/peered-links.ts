import type { Duplex } from 'node:stream';
import { LINK_PROTOCOL, linkPath, type NodeLink } from '#api/node-link.ts';
import { type Clock, orAfter } from '#machinery/clock.ts';
import { isStatus, messageOf, StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Transport } from '#machinery/transport.ts';
import type { StreamClass, TunnelTarget } from '#machinery/tunnel/tunnel.ts';
import type { NodeLinks } from './node-links.ts';

/** A way that has led nowhere by then is not waited for alone. */
const NEXT_AFTER_MS = 1_000;
/** A peer that has not answered by then never will. */
const PEER_WITHIN_MS = 10_000;

interface Parts {
  local: NodeLinks;
  /** Ways to the other servers that there are now. */
  peers(): readonly Pick<Transport, 'upgrade'>[];
  clock: Clock;
}

/**
 * The tunnels of this server and, for nodes that have none here, those of the other servers: each stream goes through a connection of its
 * own to a server that has one. That server asks no third one (see linkHandler).
 */
export class PeeredLinks implements NodeLink {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  open(node: string, use: StreamClass): Transport {
    return httpOver(() => this.#stream(node, { kind: 'agent' }, use), this.#parts.clock);
  }

  dial(node: string, address: string, use: StreamClass): Promise<Duplex> {
    return this.#stream(node, { kind: 'dial', address }, use);
  }

  async #stream(node: string, target: TunnelTarget, use: StreamClass): Promise<Duplex> {
    const { local, peers } = this.#parts;
    const faults: string[] = [];
    const path = linkPath(node, target, use);
    const found = await this.#first([
      ...(local.connected(node) ? [() => this.#own(node, target, use)] : []),
      ...peers().map((peer) => (end: AbortSignal) => this.#ask(peer, path, faults, end)),
    ]);
    if (found) return found;
    try {
      return await local.stream(node, target, use);
    } catch (error) {
      if (faults.length === 0 || local.connected(node)) throw error;
      throw new StatusError('ServiceUnavailable', [messageOf(error), ...faults].join('; another server: '));
    }
  }

  /** Rejects when the node refuses: it is there. Undefined when its tunnel broke meanwhile. */
  async #own(node: string, target: TunnelTarget, use: StreamClass): Promise<Duplex | undefined> {
    const { local } = this.#parts;
    try {
      return await local.stream(node, target, use);
    } catch (error) {
      if (local.connected(node)) throw error;
      return undefined;
    }
  }

  /**
   * The first stream that one of them leads to: they are tried one after the other, the next one as soon as one has come to nothing, or takes
   * long, as this server's own tunnel does whose other end is out of reach, for as long as nobody has noticed.
   */
  async #first(
    ways: readonly ((end: AbortSignal) => Promise<Duplex | undefined>)[],
  ): Promise<Duplex | undefined> {
    const pending = new Map<Promise<Duplex | undefined>, AbortController>();
    try {
      for (const way of ways) {
        const end = new AbortController();
        const trying = way(end.signal).finally(() => pending.delete(trying));
        pending.set(trying, end);
        const found = await orAfter(this.#parts.clock, NEXT_AFTER_MS, Promise.race(pending.keys()));
        if (found) return found;
      }
      while (pending.size > 0) {
        const found = await Promise.race(pending.keys());
        if (found) return found;
      }
      return undefined;
    } finally {
      for (const [trying, end] of pending) {
        end.abort();
        // Two may have led there.
        trying.then(
          (second) => second?.destroy(),
          () => undefined, // nobody wants to know any more
        );
      }
    }
  }

  async #ask(
    peer: Pick<Transport, 'upgrade'>,
    path: string,
    faults: string[],
    end: AbortSignal,
  ): Promise<Duplex | undefined> {
    const tooLate = new AbortController();
    const timer = this.#parts.clock.timer(PEER_WITHIN_MS, () => tooLate.abort());
    const headers = { connection: 'Upgrade', upgrade: LINK_PROTOCOL };
    const signal = AbortSignal.any([end, tooLate.signal]);
    try {
      const { stream } = await peer.upgrade({ method: 'GET', path, headers, signal });
      return stream;
    } catch (error) {
      if (!isStatus(error, 'NotFound') && !end.aborted) faults.push(messageOf(error));
      return undefined;
    } finally {
      timer.cancel();
    }
  }
}
