/** For tests: clients that do with a connection what well-behaved ones never would. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { HOST, type Served } from './served.ts';

export interface Reply {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

export function http2To({ port, authority }: Served, client?: KeyAndCertificate): ClientHttp2Session {
  const session = connect(`https://${HOST}:${port}`, {
    ca: authority.certificate,
    ...(client && { cert: client.certificate, key: client.key }),
  });
  // What becomes of it is seen by its streams.
  session.on('error', () => undefined);
  return session;
}

export async function http1To({ port, authority }: Served, client?: KeyAndCertificate): Promise<TLSSocket> {
  const socket = tlsConnect({
    host: HOST,
    port,
    ca: authority.certificate,
    ALPNProtocols: ['http/1.1'],
    ...(client && { cert: client.certificate, key: client.key }),
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** The whole answer of a stream; rejects when it is broken off. */
export async function replyOf(stream: ClientHttp2Stream): Promise<Reply> {
  const closed = once(stream, 'close').then(() => {
    throw new Error('closed without an answer');
  });
  const response = once(stream, 'response') as Promise<[Record<string, unknown>]>;
  const [headers] = await Promise.race([response, closed]);
  // It closes after an answer as well.
  closed.catch(() => undefined);
  stream.setEncoding('utf8');
  let text = '';
  for await (const part of stream) text += part;
  return { status: Number(headers[':status']), headers, text };
}

/** What the server says until it closes the connection. */
export async function untilClosed(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (part) => {
    text += part;
  });
  await once(socket, 'close');
  return text;
}

/** One answer of a connection that stays open: its head and a body of its content-length. */
export function nextReply(socket: TLSSocket): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let held = '';
    const closed = () => reject(new Error(`closed after ${JSON.stringify(held)}`));
    const take = (part: Buffer) => {
      held += part;
      const end = held.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [first = '', ...lines] = held.slice(0, end).split('\r\n');
      const headers = Object.fromEntries(
        lines.map((line) => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
      );
      const text = held.slice(end + 4);
      if (text.length < Number(headers['content-length'])) return;
      socket.off('data', take).off('close', closed);
      resolve({ status: Number(first.split(' ')[1]), headers, text });
    };
    socket.on('data', take).once('close', closed);
  });
}
