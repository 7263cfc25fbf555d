import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Random } from '#machinery/random.ts';
import { answers } from './message.ts';

/**
 * Questions to other name servers. Each goes out from a socket of its own, connected to the server, under a random id:
 * a forger must guess port and id (RFC 5452). Bounded in number and time; nothing is asked twice at the same moment.
 */
export interface Upstream {
  address: string;
  port: number;
}

export type DnsTransport = 'udp' | 'tcp';

/** Questions under way at one time; more are refused at once (the client asks again). */
const MAX_IN_FLIGHT = 1000;
const TRY_TIMEOUT_MS = 2000;

export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

export class Forwarder {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #inFlight = new Map<string, Promise<Buffer>>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The response of the first server that gives one; its id is not the query's. Throws UpstreamError. */
  async ask(query: Buffer, transport: DnsTransport, servers: readonly Upstream[]): Promise<Buffer> {
    const key = `${transport} ${servers.map(({ address, port }) => `${address} ${port}`)} ${query.toString('latin1', 2)}`;
    const underWay = this.#inFlight.get(key);
    if (underWay) return underWay;
    if (this.#inFlight.size >= MAX_IN_FLIGHT)
      throw new UpstreamError(`${MAX_IN_FLIGHT} questions to upstream name servers are under way`);
    const asked = this.#tryEach(query, transport, servers).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, asked);
    return asked;
  }

  async #tryEach(query: Buffer, transport: DnsTransport, servers: readonly Upstream[]): Promise<Buffer> {
    const failures: string[] = [];
    for (const server of servers) {
      const message = Buffer.from(query);
      message.set(this.#random.bytes(2), 0);
      try {
        return await (transport === 'udp' ? this.#overUdp(message, server) : this.#overTcp(message, server));
      } catch (error) {
        failures.push(`${server.address}: ${messageOf(error)}`);
      }
    }
    throw new UpstreamError(
      failures.length > 0 ? failures.join('; ') : 'no upstream name server is configured',
    );
  }

  #overUdp(query: Buffer, server: Upstream): Promise<Buffer> {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    return this.#inTime((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (message) => {
        if (answers(query, message)) resolve(message);
      });
      socket.connect(server.port, server.address, () => socket.send(query));
    }).finally(() => socket.close());
  }

  #overTcp(query: Buffer, server: Upstream): Promise<Buffer> {
    const socket = connect({ host: server.address, port: server.port });
    return this.#inTime((resolve, reject) => {
      let received = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('close', () => reject(new UpstreamError('the connection was closed without an answer')));
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length < 2) return;
        const message = received.subarray(2, 2 + received.readUInt16BE(0));
        if (message.length < received.readUInt16BE(0)) return;
        if (answers(query, message)) resolve(message);
        else reject(new UpstreamError('the answer is to another question'));
      });
      socket.write(framed(query));
    }).finally(() => socket.destroy());
  }

  /** Settles as `begin` says, or rejects when that takes too long. */
  #inTime(
    begin: (resolve: (answer: Buffer) => void, reject: (error: Error) => void) => void,
  ): Promise<Buffer> {
    return new Promise<Buffer>((resolve, reject) => {
      const timer = this.#clock.timer(TRY_TIMEOUT_MS, () => reject(new UpstreamError('no answer in time')));
      const settled =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          timer.cancel();
          then(value);
        };
      begin(settled(resolve), settled(reject));
    });
  }
}

/** A message as TCP carries it: two bytes of length first (RFC 1035 section 4.2.2). */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(message.length + 2);
  bytes.writeUInt16BE(message.length, 0);
  bytes.set(message, 2);
  return bytes;
}
