import { type ClientRequest, type IncomingMessage, request as overTcp } from 'node:http';
import { request as overTls } from 'node:https';
import type { Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf, StatusError } from '../errors.ts';
import { hostPort } from '../values/host-port.ts';

export interface ProxyDeps {
  clock: Clock;
  signal?: AbortSignal | undefined;
  /** PEM of the authorities that may sign the certificate of an `https://` proxy; the system's when left out. */
  ca?: string;
}

const WITHIN_MS = 10_000;
/** So much of what a proxy says with its refusal is told, if it comes with it. */
const MAX_WORDS = 200;
const WORDS_WITHIN_MS = 1_000;
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * A connection to `host:port` that an HTTP proxy makes (CONNECT: RFC 9110, section 9.3.6). Rejects with ServiceUnavailable, and the proxy's
 * words, when it refuses, cannot be reached, or does not answer within ten seconds. The proxy is named without its credentials.
 */
export function dialThrough(
  proxy: URL,
  host: string,
  port: number,
  { clock, signal, ca }: ProxyDeps,
): Promise<Socket> {
  const target = hostPort(host, port);
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(unavailable(`${target} by the proxy ${proxy.origin}: ${why}`));
    const request = requestTo(
      proxy,
      { method: 'CONNECT', path: target, headers: { host: target }, signal },
      ca,
    );
    const timer = clock.timer(WITHIN_MS, () =>
      request.destroy(new Error(`no answer within ${WITHIN_MS / 1000} s`)),
    );
    request.once('connect', (answer, socket: Socket, head) => {
      timer.cancel();
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
        return;
      }
      wordsOf(answer, socket, head, clock).then((words) => {
        socket.destroy();
        fail(`it refuses with ${[status, answer.statusMessage, words].filter(Boolean).join(' ')}`);
      }, reject);
    });
    request.once('error', (error) => {
      timer.cancel();
      fail(messageOf(error));
    });
    request.end();
  });
}

/** The beginning of a plain text; pages for browsers say no more than the status does. */
async function wordsOf(
  { headers }: IncomingMessage,
  socket: Socket,
  head: Buffer,
  clock: Clock,
): Promise<string> {
  if (!headers['content-type']?.startsWith('text/plain')) return '';
  const length = Math.min(Number(headers['content-length'] ?? MAX_WORDS) || 0, MAX_WORDS);
  let text = head;
  const timer = clock.timer(WORDS_WITHIN_MS, () => socket.destroy());
  try {
    if (text.length < length)
      for await (const chunk of socket) {
        text = Buffer.concat([text, chunk as Buffer]);
        if (text.length >= length) break;
      }
  } catch {
    // It broke off: what came is told.
  } finally {
    timer.cancel();
  }
  const words = text
    .toString('utf8', 0, length)
    .replaceAll(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, ' ')
    .trim();
  return words && `(${words})`;
}

/** TLS with the server of `url`, over a connection that the proxy makes. Rejects as dialThrough; an error of TLS is the socket's. */
export async function tlsThrough(
  proxy: URL,
  url: URL,
  options: ConnectionOptions,
  deps: ProxyDeps,
): Promise<TLSSocket> {
  const host = bare(url.hostname);
  const socket = await dialThrough(proxy, host, Number(url.port || 443), deps);
  return tlsConnect({ ...options, socket, host });
}

/** A request to the proxy itself, with the credentials that its URL has. */
export function requestTo(
  proxy: URL,
  {
    headers,
    signal,
    ...options
  }: { method: string; path: string; headers: Record<string, string>; signal?: AbortSignal | undefined },
  ca: string | undefined,
): ClientRequest {
  const request = proxy.protocol === 'https:' ? overTls : overTcp;
  return request({
    ...options,
    host: bare(proxy.hostname),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    headers: { ...headers, ...authorizationFor(proxy) },
    agent: false,
    maxHeaderSize: MAX_HEAD_BYTES,
    ...(signal && { signal }),
    ...(ca !== undefined && { ca }),
  });
}

/** Basic credentials: RFC 7617. */
function authorizationFor({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const both = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(both).toString('base64')}` };
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function unavailable(message: string): StatusError {
  return new StatusError('ServiceUnavailable', message);
}
