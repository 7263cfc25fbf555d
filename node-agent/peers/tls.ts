import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { type Clock, every } from '#machinery/clock.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';

/** How nodes know each other: each shows its own certificate, and looks whose the other one is. */
export interface PeerTrust {
  /** What is in use now. */
  held(): KeyAndCertificate;
  /** See nodeOfCertificate. */
  vouch(certificate: Uint8Array): string | undefined;
}

export interface PeerAddress {
  name: string;
  address: string;
  port: number;
}

/** The machine that answered there is another node than was asked for, or none. */
export class StrangerError extends Error {
  override readonly name = 'StrangerError';
}

const CONNECT_WITHIN_MS = 3_000;
/** Connections at once: who is no node of the cluster holds one no longer than a handshake takes. */
const MAX_CONNECTIONS = 128;
const LOOK_FOR_RENEWAL_MS = 60_000;

/** Either side looks for itself: an authority would let in a node whose Node was deleted. */
const MUTUAL = { rejectUnauthorized: false, requestCert: true, minVersion: 'TLSv1.3' } as const;

/**
 * Lets other nodes of the cluster connect to `server`, which listens nowhere itself, until the signal aborts. Resolves to the port
 * when it listens; rejects with the system's error.
 */
export function listenForPeers(
  server: Server,
  at: { host: string; port: number },
  { held, vouch }: PeerTrust,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  let shown = held();
  const door = createServer(
    { key: shown.key, cert: shown.certificate, handshakeTimeout: CONNECT_WITHIN_MS, ...MUTUAL },
    (socket) => {
      socket.on('error', () => socket.destroy());
      if (nodeOf(socket, vouch) === undefined) socket.destroy();
      else server.emit('connection', socket);
    },
  );
  door.maxConnections = MAX_CONNECTIONS;
  every(clock, LOOK_FOR_RENEWAL_MS, signal, async () => {
    const now = held();
    if (now.certificate === shown.certificate) return;
    shown = now;
    door.setSecureContext({ key: now.key, cert: now.certificate });
  });
  return new Promise((resolve, reject) => {
    // One that comes later is of a connection that could not be accepted: whoever wanted it asks again.
    door.on('error', reject);
    door.listen(at, () => resolve((door.address() as AddressInfo).port));
    signal.addEventListener('abort', () => door.close(), { once: true });
  });
}

/** A connection to that node and no other. Rejects with StrangerError, the system's error, or after three seconds. */
export function dialPeer(peer: PeerAddress, { held, vouch }: PeerTrust, clock: Clock): Promise<TLSSocket> {
  const { key, certificate } = held();
  return new Promise((resolve, reject) => {
    const socket = connect({ host: peer.address, port: peer.port, key, cert: certificate, ...MUTUAL });
    const timer = clock.timer(CONNECT_WITHIN_MS, () => {
      socket.destroy(new Error(`${peer.name} did not answer within ${CONNECT_WITHIN_MS} ms`));
    });
    socket.once('secureConnect', () => {
      if (nodeOf(socket, vouch) === peer.name) return resolve(socket);
      socket.destroy(new StrangerError(`who answers at ${peer.address}:${peer.port} is not ${peer.name}`));
    });
    socket.once('secureConnect', () => timer.cancel());
    socket.once('error', reject);
    socket.once('close', () => timer.cancel());
  });
}

function nodeOf(socket: TLSSocket, vouch: PeerTrust['vouch']): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate && vouch(certificate.raw);
}
