import { constants, createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '#machinery/clock.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { transportConformance } from '#machinery/transport.conformance.ts';
import { collect } from '#machinery/transport.ts';
import { http2Transport } from './http2-transport.ts';

let authority: KeyAndCertificate | undefined;

transportConformance('over HTTP/2 with TLS', async () => {
  authority ??= await makeAuthority('test', 3_600_000, systemClock, systemRandom);
  const gone = Promise.withResolvers<void>();
  const server = await startServer(authority, gone.resolve);
  const transport = http2Transport({
    url: `https://127.0.0.1:${server.port}`,
    clock: systemClock,
    ca: authority.certificate,
  });
  return {
    transport,
    paths: {
      echo: '/echo',
      create: '/create',
      absent: '/absent',
      stream: '/stream',
      upgrade: '/upgrade',
      cut: '/cut',
      refused: '/refused',
      broken: '/broken',
    },
    readerGone: gone.promise,
    async close() {
      transport.close();
      await server.close();
    },
  };
});

async function startServer(authority: KeyAndCertificate, onGone: () => void) {
  const order = {
    subject: { commonName: 'server' },
    usages: ['server' as const],
    subjectAlternativeNames: ['127.0.0.1'],
    lifetimeMs: 3_600_000,
  };
  const { certificate, key } = await issueCertificate(authority, order, systemClock, systemRandom);
  const open = new Set<{ destroy(): void }>();
  const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (request, response) => {
    void answer(request, response, onGone);
  });
  server.on('session', (session) => open.add(session));
  server.on('upgrade', (request, socket: Duplex) => {
    open.add(socket);
    takeOver(request.url ?? '', socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const one of open) one.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  onGone: () => void,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url, 'https://server');
  if (pathname === '/echo') {
    response.setHeader('x-seen', request.headers['x-sent'] ?? '');
    response.end(searchParams.get('word') ?? '');
  } else if (pathname === '/create') {
    const body = await collect(request);
    response.writeHead(201, { 'content-type': 'application/json' }).end(Buffer.from(body));
  } else if (pathname === '/stream') {
    response.stream.once('close', onGone);
    response.write('first');
  } else if (pathname === '/cut') {
    response.write('half', () => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  } else {
    const status = { kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404, message: 'not found' };
    response.writeHead(404).end(JSON.stringify(status));
  }
}

function takeOver(path: string, socket: Duplex): void {
  if (path === '/refused') {
    const body = JSON.stringify({ kind: 'Status', reason: 'Forbidden', message: 'not you' });
    socket.end(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    return;
  }
  if (path === '/broken') {
    socket.destroy();
    return;
  }
  socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\nhello ');
  socket.pipe(socket);
}
