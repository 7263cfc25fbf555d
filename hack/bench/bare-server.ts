/**
 * The least a Node server does for a request: HTTP/2 over TLS, the same bytes for the same path, nothing else.
 * `bare-server.ts KEY CERTIFICATE` listens on a free port of loopback and prints it; GET /2000 answers as many bytes.
 */
import { readFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';

const [key = '', certificate = ''] = process.argv.slice(2);
const bodies = new Map<string, Buffer>();

function bodyOf(path: string): Buffer {
  const known = bodies.get(path);
  if (known) return known;
  const body = Buffer.alloc(Number(path.slice(1)), 'x');
  bodies.set(path, body);
  return body;
}

const server = http2.createSecureServer({
  key: readFileSync(key),
  cert: readFileSync(certificate),
  settings: { initialWindowSize: 1024 * 1024, maxConcurrentStreams: 1000 },
});
server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
  const body = bodyOf(headers[':path'] ?? '/0');
  stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': body.length });
  stream.end(body);
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
