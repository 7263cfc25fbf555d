import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { SharedContent } from '#oci/contract.ts';
import { BUSY_HEADER, parseBlobPath } from './protocol.ts';

export interface BlobServerOptions {
  content: SharedContent;
  clock: Clock;
  log: Logger;
  /** Told of each piece that was given away. */
  onSent?(bytes: number): void;
  /** Uploads at once. */
  maxUploads?: number;
}

/** Enough to fill a wire; with more, each takes longer before its taker can give on what it got. */
const MAX_UPLOADS = 4;
/** A taker who takes nothing for so long has gone. */
const STALL_MS = 10_000;
/** And who is slower than this, in bytes per second, keeps others waiting. */
const SLOWEST = 16 * 1024;
const HEAD_WITHIN_MS = 5_000;

/** Gives other nodes blobs (protocol.ts). Who connects must be a node of the cluster: that is for the door to see to. */
export function blobServer(options: BlobServerOptions): Server {
  const uploads = { now: 0, most: options.maxUploads ?? MAX_UPLOADS };
  const server = createServer({
    headersTimeout: HEAD_WITHIN_MS,
    connectionsCheckingInterval: HEAD_WITHIN_MS,
  });
  server.on('request', (request, response) => {
    serve(options, uploads, request, response).catch((error) => {
      options.log.debug('A part of an image could not be given to another node', { error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
  return server;
}

async function serve(
  { content, clock, onSent }: BlobServerOptions,
  uploads: { now: number; most: number },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const asked = parseBlobPath(request.url ?? '');
  const isRead = request.method === 'GET';
  if (!asked || !(isRead || request.method === 'HEAD')) return void response.writeHead(400).end();
  const found = await content.openShared(asked.digest, asked.offset);
  if (!found) return void response.writeHead(404).end();
  const left = found.size - asked.offset;
  if (left < 0) return void response.writeHead(416).end();
  const busy = uploads.now >= uploads.most;
  if (isRead && busy) return void response.writeHead(503, { [BUSY_HEADER]: 'true' }).end();
  response.writeHead(200, { 'content-length': left, ...(busy && { [BUSY_HEADER]: 'true' }) });
  if (!isRead) return void response.end();
  uploads.now += 1;
  const timer = clock.timer(STALL_MS + (left / SLOWEST) * 1000, () => response.destroy());
  response.setTimeout(STALL_MS, () => response.destroy());
  // Not when the source has ended: the taker may be gone long before.
  response.once('close', () => {
    timer.cancel();
    uploads.now -= 1;
  });
  await pipeline(counted(found.bytes(), onSent), response);
}

async function* counted(bytes: AsyncIterable<Uint8Array>, onSent?: (bytes: number) => void) {
  for await (const piece of bytes) {
    yield piece;
    onSent?.(piece.length);
  }
}
