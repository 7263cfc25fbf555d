import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Upgrade, UpgradeRequest } from './contract.ts';

/** Client-go sends messages of at most 32 KiB; others send a file at once. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** The subprotocols a client offers, in its order. */
export function offeredProtocols(request: UpgradeRequest): string[] {
  return wordsOf(request.headers['sec-websocket-protocol']);
}

/** Comma-separated words of a header that may have come several times. */
export function wordsOf(header: string | string[] | undefined): string[] {
  const lines = header === undefined ? [] : Array.isArray(header) ? header : [header];
  return lines
    .flatMap((line) => line.split(','))
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

export function isWebSocket(request: UpgradeRequest): boolean {
  return wordsOf(request.headers.upgrade).some((each) => each.toLowerCase() === 'websocket');
}

/**
 * Answers a WebSocket handshake (RFC 6455) with `protocol`. Rejects when the handshake is broken; ws has answered then.
 * The subprotocol is kept from ws, which refuses names with a slash, and put into the answer by hand.
 */
export function acceptWebSocket(upgrade: Upgrade, protocol: string | undefined): Promise<WebSocket> {
  const { socket, request } = upgrade;
  const { 'sec-websocket-protocol': _, 'sec-websocket-extensions': __, ...headers } = request.headers;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });
  if (protocol !== undefined) {
    server.on('headers', (lines) => lines.push(`Sec-WebSocket-Protocol: ${protocol}`));
  }
  return new Promise((resolve, reject) => {
    server.once('wsClientError', (error) => {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      reject(error);
    });
    const message = { ...request, method: request.method ?? 'GET', headers } as unknown as IncomingMessage;
    server.handleUpgrade(message, socket, Buffer.from(upgrade.head ?? []), resolve);
  });
}

/** The payloads of binary messages as one stream of bytes both ways. Closing either side closes both. */
export function webSocketBytes(socket: WebSocket): Duplex {
  const bytes = new Duplex({
    allowHalfOpen: false,
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => send(socket, chunk, () => done()),
    final(done) {
      socket.close(1000);
      done();
    },
    destroy(_error, done) {
      if (socket.readyState !== socket.CLOSED) socket.terminate();
      done(null);
    },
  });
  socket.on('message', (data) => {
    if (!bytes.push(data as Buffer)) socket.pause();
  });
  socket.on('close', () => {
    bytes.push(null);
    bytes.destroy();
  });
  socket.on('error', () => {}); // `close` follows
  return bytes;
}

/** Sends one binary message; `done` comes in any case, when the bytes were taken or can no longer be. */
export function send(socket: WebSocket, bytes: Buffer, done: () => void): void {
  if (socket.readyState === socket.OPEN) socket.send(bytes, { binary: true }, () => done());
  else done();
}
