import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTls } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** For tests: a proxy on an address of one's own that makes connections for whoever asks, and remembers them. */
export interface TestProxy {
  url: URL;
  /** `host:port` of each CONNECT that was let through, and URLs of plain requests. */
  asked: string[];
  close(): void;
}

export interface TestProxyOptions {
  /** Default 127.0.0.1. */
  host?: string;
  /** `USER:PASSWORD` that it wants. */
  credentials?: string;
  /** To be spoken to by TLS. */
  tls?: { cert: string; key: string };
  /** Where it connects to in place of what it is asked for. */
  target?: (asked: string) => { host: string; port: number };
  /** Done instead of a connection. */
  instead?: (client: Duplex, asked: string) => void;
}

export async function testProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const { host = '127.0.0.1', tls, instead } = options;
  const asked: string[] = [];
  const open = new Set<Duplex>();
  const server: Server = tls ? createTls(tls) : createServer();
  const mayPass = (header: string | undefined) =>
    options.credentials === undefined ||
    header === `Basic ${Buffer.from(options.credentials).toString('base64')}`;
  server.on('connection', (socket: Socket) => open.add(socket));
  server.on('request', (request, response) => {
    asked.push(request.url!);
    response.end(`by the proxy: ${request.url} of ${request.headers.host}`);
  });
  server.on('connect', (request, client: Duplex) => {
    open.add(client);
    client.on('error', () => {});
    if (!mayPass(request.headers['proxy-authorization'])) {
      // As some proxies do: the connection stays open.
      const text = 'ask the network team for an account';
      client.write(
        `HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
      return;
    }
    asked.push(request.url!);
    if (instead) return instead(client, request.url!);
    const target = options.target?.(request.url!) ?? split(request.url!);
    const upstream = connect(target);
    open.add(upstream);
    upstream.on('error', () => client.destroy());
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`${tls ? 'https' : 'http'}://${host}:${port}`),
    asked,
    close() {
      server.close();
      for (const each of open) each.destroy();
    },
  };
}

function split(target: string): { host: string; port: number } {
  const url = new URL(`http://${target}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}
