import { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy } from '#machinery/pki/certificate.ts';
import type { Credentials } from '../contract.ts';

/** What a connection has shown, and the authorities (PEM) by which it was believed. */
interface Shown {
  certificate: Uint8Array | undefined;
  by: string;
}

/** Of each connection, read once: every request of it shares the same bytes. */
const SHOWN = new WeakMap<object, Shown>();

/** What came with the connection and headers of a request. `authorities` (PEM): those that may have signed a client's certificate now. */
export function credentialsOf(
  request: {
    headers: IncomingHttpHeaders;
    socket: unknown;
    stream?: { session?: object | undefined };
  },
  authorities: string,
): Credentials {
  const connection = request.stream?.session ?? (request.socket as TLSSocket);
  let shown = SHOWN.get(connection);
  if (shown?.by !== authorities) {
    const certificate = shown ? shown.certificate : peerCertificate(request.socket as TLSSocket);
    shown = { certificate: stillSigned(certificate, authorities), by: authorities };
    SHOWN.set(connection, shown);
  }
  const { authorization } = request.headers;
  return {
    ...(shown.certificate && { certificate: shown.certificate }),
    ...(authorization !== undefined && { authorization }),
  };
}

/** TLS has verified it when the connection was made: an authority that was dropped since vouches for nobody. */
function stillSigned(certificate: Uint8Array | undefined, authorities: string): Uint8Array | undefined {
  if (!certificate) return undefined;
  const pem = new X509Certificate(certificate).toString();
  return certificatesIn(authorities).some((one) => isSignedBy(pem, one)) ? certificate : undefined;
}

/** Only a certificate that TLS has verified against the client CA counts. */
function peerCertificate(socket: TLSSocket): Uint8Array | undefined {
  if (!socket.authorized) return undefined;
  return socket.getPeerCertificate().raw;
}
