import type { Duplex, Writable } from 'node:stream';
import { Duplex as DuplexStream } from 'node:stream';
import { channels } from './channels.ts';
import type { ForwardedConnection, PortForward, Upgrade } from './contract.ts';
import { acceptSpdy, isSpdy, refuse } from './handshake.ts';
import { type SpdyConnection, type SpdyStream, serveSpdy } from './spdy.ts';
import { acceptWebSocket, isWebSocket, offeredProtocols, webSocketBytes } from './websocket.ts';

const PORT_FORWARD = 'portforward.k8s.io';
/** SPDY inside the binary messages of a WebSocket (KEP-4006). */
const TUNNELLED = `SPDY/3.1+${PORT_FORWARD}`;
const CHANNELS = 'v4.channel.k8s.io';

/** Half-open pairs a client may leave lying about. */
const MAX_UNPAIRED = 256;

/** Answers a port-forward; see AcceptPortForward in contract.ts. */
export async function acceptPortForward(
  upgrade: Upgrade,
  onConnection: (connection: ForwardedConnection) => void,
  ports: number[] = [],
): Promise<PortForward> {
  if (isSpdy(upgrade.request)) {
    acceptSpdy(upgrade, [PORT_FORWARD]);
    return pairUp(upgrade.socket, onConnection);
  }
  if (isWebSocket(upgrade.request)) return acceptByWebSocket(upgrade, onConnection, ports);
  throw refuse(upgrade, 'unable to upgrade: a port-forward needs an upgrade to WebSocket or SPDY/3.1');
}

async function acceptByWebSocket(
  upgrade: Upgrade,
  onConnection: (connection: ForwardedConnection) => void,
  ports: number[],
): Promise<PortForward> {
  const offered = offeredProtocols(upgrade.request);
  if (offered.includes(TUNNELLED)) {
    const socket = await acceptWebSocket(upgrade, TUNNELLED);
    return pairUp(webSocketBytes(socket), onConnection);
  }
  const plain = offered.find((each) => each === CHANNELS);
  if (plain === undefined && offered.length > 0) {
    throw refuse(
      upgrade,
      `unable to upgrade: client supports the subprotocols [${offered.join(' ')}], server accepts [${TUNNELLED} ${CHANNELS}]`,
    );
  }
  if (ports.length === 0) throw refuse(upgrade, 'query parameter "ports" is required');
  return forwardByChannels(upgrade, plain, onConnection, ports);
}

/** Each connection is a data and an error stream with the same request id. */
function pairUp(socket: Duplex, onConnection: (connection: ForwardedConnection) => void): PortForward {
  const waiting = new Map<string, SpdyStream>();
  const connection: SpdyConnection = serveSpdy(socket, (stream) => {
    const { streamtype, port, requestid = '' } = stream.headers;
    const number = Number(port);
    if (!isPort(number) || (streamtype !== 'data' && streamtype !== 'error')) return stream.destroy();
    const other = waiting.get(requestid);
    if (!other) {
      if (waiting.size >= MAX_UNPAIRED) return stream.destroy();
      waiting.set(requestid, stream);
      stream.once('close', () => {
        if (waiting.get(requestid) === stream) waiting.delete(requestid);
      });
      return;
    }
    waiting.delete(requestid);
    if (other.headers['streamtype'] === streamtype || other.headers['port'] !== port) {
      other.destroy();
      return stream.destroy();
    }
    const [data, error] = streamtype === 'data' ? [stream, other] : [other, stream];
    error.resume();
    onConnection(forwarded(number, data, error));
  });
  return { closed: connection.closed, close: () => connection.close() };
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 65536;
}

/** kubectl waits for the end of the error stream, so it ends with the data, whoever ends that. */
function forwarded(port: number, data: Duplex, error: Writable): ForwardedConnection {
  const endError = () => {
    if (!error.writableEnded && !error.destroyed) error.end();
  };
  data.once('finish', endError);
  data.once('close', endError);
  return {
    port,
    data,
    fail(message) {
      if (!error.writableEnded && !error.destroyed) error.end(message);
      data.resume();
      data.end();
    },
  };
}

/** One connection per port: data on channel 2n, errors on 2n + 1, each beginning with the port (two bytes, little endian). */
async function forwardByChannels(
  upgrade: Upgrade,
  protocol: string | undefined,
  onConnection: (connection: ForwardedConnection) => void,
  ports: number[],
): Promise<PortForward> {
  const link = channels(await acceptWebSocket(upgrade, protocol));
  ports.forEach((port, index) => {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    link.send(2 * index, number);
    link.send(2 * index + 1, number);
    const halves = { readable: link.readable(2 * index), writable: link.writable(2 * index) };
    // The types know only web streams here; Node documents both.
    const data = DuplexStream.from(halves as unknown as NodeJS.ReadableStream);
    onConnection(forwarded(port, data, link.writable(2 * index + 1)));
  });
  return { closed: link.closed, close: () => link.close() };
}
