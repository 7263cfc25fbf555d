import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AGENT_PATHS, type NodeUse } from '#api/node-link.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { EXPOSITION_TYPE } from '#machinery/metrics/exposition.ts';
import { formatImageBytes, formatUse, type ImageBytes } from '../stats/metrics.ts';
import { RequestFault } from './fault.ts';
import { type LogsContext, serveLogs } from './logs.ts';
import { type StreamsContext, UPGRADES } from './streams.ts';
import { parseTarget } from './target.ts';

export interface AgentServerContext extends LogsContext, StreamsContext {
  log: Logger;
  /** What the node and its pods use. */
  stats(): Promise<NodeUse>;
  imageBytes(): ImageBytes;
}

/**
 * The agent's HTTP API (api/node-link.ts). It listens nowhere: connections come only through the tunnel, from a server that
 * has authorized the request.
 */
export function agentServer(context: AgentServerContext): Server {
  const server = createServer((request, response) => {
    serve(context, request, response).catch((error) => answerFault(response, error, context.log));
  });
  server.on('upgrade', (request, socket, head) => {
    upgrade(context, request, socket, head).catch((error) => refuseUpgrade(socket, error, context.log));
  });
  // A follower of a quiet log is no idle client.
  server.requestTimeout = 0;
  return server;
}

async function serve(
  context: AgentServerContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = request.url ?? '/';
  const path = url.split('?')[0];
  if (path === AGENT_PATHS.health) {
    response.end('ok');
    return;
  }
  if (path === AGENT_PATHS.stats) {
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify(await context.stats()));
    return;
  }
  if (path === AGENT_PATHS.metrics) {
    response.writeHead(200, { 'content-type': EXPOSITION_TYPE }).end(formatUse(await context.stats()));
    return;
  }
  if (path === AGENT_PATHS.agentMetrics) {
    response.writeHead(200, { 'content-type': EXPOSITION_TYPE }).end(formatImageBytes(context.imageBytes()));
    return;
  }
  const target = parseTarget(url);
  if (target?.action !== 'containerLogs' || request.method !== 'GET')
    throw new RequestFault(404, 'not found');
  await serveLogs(context, target, response);
}

async function upgrade(
  context: AgentServerContext,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
): Promise<void> {
  const target = parseTarget(request.url ?? '/');
  const handler = target && UPGRADES[target.action];
  if (!handler) throw new RequestFault(404, 'not found');
  await handler(context, target, { request, socket, head });
}

function answerFault(response: ServerResponse, error: unknown, log: Logger): void {
  if (response.headersSent) {
    // The client left, or the log broke off: it sees a connection that ends.
    response.destroy();
    return;
  }
  const status = statusOf(error, log);
  response.writeHead(status, { 'content-type': 'text/plain' }).end(messageOf(error));
}

function refuseUpgrade(socket: Duplex, error: unknown, log: Logger): void {
  // What speaks no protocol of ours has been answered already.
  if (socket.destroyed || socket.writableEnded) return;
  const status = statusOf(error, log);
  const message = Buffer.from(messageOf(error));
  const reason = status === 404 ? 'Not Found' : status === 400 ? 'Bad Request' : 'Internal Server Error';
  socket.write(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${message.length}\r\nConnection: close\r\n\r\n`,
  );
  socket.end(message);
}

function statusOf(error: unknown, log: Logger): number {
  if (error instanceof RequestFault) return error.status;
  log.warn('A request failed', { error: messageOf(error) });
  return 500;
}
