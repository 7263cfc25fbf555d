import type { IncomingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Credentials } from '../contract.ts';

/** The verified certificate of a connection, read once: every request of it shares the same bytes. */
const CERTIFICATES = new WeakMap<object, Uint8Array | 'none'>();

/** What came with the connection and headers of a request. */
export function credentialsOf(request: {
  headers: IncomingHttpHeaders;
  socket: unknown;
  stream?: { session?: object | undefined };
}): Credentials {
  const connection = request.stream?.session ?? (request.socket as TLSSocket);
  let certificate = CERTIFICATES.get(connection);
  if (certificate === undefined) {
    certificate = peerCertificate(request.socket as TLSSocket) ?? 'none';
    CERTIFICATES.set(connection, certificate);
  }
  const { authorization } = request.headers;
  return {
    ...(certificate !== 'none' && { certificate }),
    ...(authorization !== undefined && { authorization }),
  };
}

/** Only a certificate that TLS has verified against the client CA counts. */
function peerCertificate(socket: TLSSocket): Uint8Array | undefined {
  if (!socket.authorized) return undefined;
  return socket.getPeerCertificate().raw;
}
