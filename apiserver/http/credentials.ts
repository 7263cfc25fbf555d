import type { Http2ServerRequest } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Credentials } from '../contract.ts';

/** The verified certificate of a connection, read once: every request of it shares the same bytes. */
const CERTIFICATES = new WeakMap<object, Uint8Array | 'none'>();

/** What came with the connection and headers of a request. */
export function credentialsOf(
  request: Pick<Http2ServerRequest, 'headers' | 'socket'> & { stream?: { session?: object } },
): Credentials {
  const socket = request.socket as TLSSocket;
  const connection = request.stream?.session ?? socket;
  let certificate = CERTIFICATES.get(connection);
  if (certificate === undefined) {
    certificate = peerCertificate(socket) ?? 'none';
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
