import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { type Logger, silentLogger } from '#machinery/log.ts';
import { Resolver, type ResolverOptions } from './resolver.ts';
import { framed } from './upstream.ts';

/**
 * The cluster DNS of one node: UDP and TCP sockets before a Resolver. Nothing a client sends can stop it: what is no
 * query is dropped, connections are bounded in number, time and questions under way.
 */
export interface DnsOptions extends ResolverOptions {
  /** Port 0 picks one; `addresses` tells which. UDP and TCP get the same. */
  listen: readonly { address: string; port: number }[];
  logger?: Logger;
}

export interface DnsServer {
  readonly addresses: readonly { address: string; port: number }[];
  readonly counts: Readonly<Resolver['counts']>;
  /** Closes sockets and connections. Harmless when called twice. */
  stop(): Promise<void>;
}

const MAX_CONNECTIONS = 256;
const IDLE_MS = 10_000;
/** Questions of one connection under way before it is read on. */
const MAX_PIPELINED = 32;
const MAX_QUERY_BYTES = 4096;
/** Room for a burst while a long answer is being made. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** Starts to listen; rejects with the system's error when an address or port cannot be had, and leaves nothing open. */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const logger = options.logger ?? silentLogger;
  const resolver = new Resolver(options);
  const doors: Door[] = [];
  const stop = async () => {
    await Promise.all(doors.splice(0).map((door) => door.close()));
  };
  const addresses: { address: string; port: number }[] = [];
  try {
    for (const { address, port } of options.listen) {
      const door = await openDoor(address, port, resolver, logger);
      doors.push(door);
      addresses.push({ address, port: door.port });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { addresses, counts: resolver.counts, stop };
}

/** UDP and TCP at one port of one address. */
interface Door {
  port: number;
  close(): Promise<void>;
}

/** A port that the kernel picks for UDP may be taken for TCP: then another one is tried. */
const PICKS = 10;

async function openDoor(
  address: string,
  port: number,
  resolver: Resolver,
  logger: Logger,
  picks = PICKS,
): Promise<Door> {
  const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const tcp = createServer();
  const connections = new Set<Socket>();
  const close = async () => {
    await Promise.all([closeUdp(udp), closeTcp(tcp, connections)]);
  };
  try {
    const bound = await bindUdp(udp, address, port, resolver, logger);
    await listenTcp(tcp, address, bound, (socket) => serve(socket, resolver, logger, connections));
    return { port: bound, close };
  } catch (error) {
    await close();
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (port === 0 && taken && picks > 1) return await openDoor(address, port, resolver, logger, picks - 1);
    throw error;
  }
}

function bindUdp(
  socket: UdpSocket,
  address: string,
  port: number,
  resolver: Resolver,
  logger: Logger,
): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port }, () => {
      socket.off('error', reject);
      socket.on('error', (error) => logger.warn('DNS socket failed', { error }));
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      resolve(socket.address().port);
    });
    // A client that has gone is no concern of ours: errors of a send are dropped.
    const send = (response: Buffer, to: { port: number; address: string }) =>
      socket.send(response, to.port, to.address, () => {});
    socket.on('message', (query, from) => {
      const response = resolver.resolve(query, 'udp');
      if (response instanceof Promise) {
        response.then(
          (late) => late && !isClosed(socket) && send(late, from),
          (error: unknown) => logger.error('DNS query failed', { error }),
        );
      } else if (response) send(response, from);
    });
  });
}

const closed = new WeakSet<UdpSocket>();

function isClosed(socket: UdpSocket): boolean {
  return closed.has(socket);
}

function closeUdp(socket: UdpSocket): Promise<void> {
  closed.add(socket);
  return new Promise((resolve) => socket.close(() => resolve()));
}

function listenTcp(
  server: Server,
  address: string,
  port: number,
  accept: (socket: Socket) => void,
): Promise<void> {
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', accept);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closeTcp(server: Server, connections: Set<Socket>): Promise<void> {
  for (const socket of connections) socket.destroy();
  return new Promise((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));
}

/** One client connection: length-prefixed queries, answered as they are ready. */
function serve(socket: Socket, resolver: Resolver, logger: Logger, connections: Set<Socket>): void {
  connections.add(socket);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('close', () => connections.delete(socket));
  socket.on('error', () => socket.destroy());
  let pending = Buffer.alloc(0);
  let underWay = 0;
  const answer = async (query: Buffer) => {
    underWay++;
    try {
      const response = await resolver.resolve(query, 'tcp');
      if (response && socket.writable) socket.write(framed(response));
    } catch (error) {
      logger.error('DNS query failed', { error });
      socket.destroy();
    } finally {
      underWay--;
      if (!socket.destroyed) read();
    }
  };
  const read = () => {
    while (pending.length >= 2 && underWay < MAX_PIPELINED) {
      const length = pending.readUInt16BE(0);
      if (length > MAX_QUERY_BYTES) return socket.destroy();
      if (pending.length < length + 2) break;
      const query = pending.subarray(2, length + 2);
      pending = pending.subarray(length + 2);
      void answer(query);
    }
    if (underWay >= MAX_PIPELINED) socket.pause();
    else socket.resume();
  };
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    read();
  });
}
