import type { Server } from 'node:http';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import type { EndpointSlice } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import { startInformer } from '#client/informer.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import type { Random } from '#machinery/random.ts';
import type { Transport } from '#machinery/transport.ts';
import { STREAM_CLASSES } from '#machinery/tunnel/tunnel.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import { TrustFollower } from './trust.ts';
import { keepAgentTunnel, type TunnelOptions } from './tunnel.ts';

/** The servers that the agent knows of. */
export interface Servers {
  /** URL of each one that says of itself that it is there; before any has, where the agent was told to go. */
  each(): readonly string[];
  /** Takes note of those that there are; they outlive the agent. */
  learn(urls: readonly string[]): Promise<void>;
  /** To that server and no other. */
  transportTo(url: string): Transport;
  /** The authorities (PEM) of servers that are trusted now. */
  trusted(): string;
  /** Trusts these from now on; they outlive the agent. */
  trust(authorities: string): Promise<void>;
  /** What the agent signs in with now. */
  held(): KeyAndCertificate;
  /** Signs in with that one from now on; it outlives the agent. */
  keep(pair: KeyAndCertificate): Promise<void>;
}

interface Deps {
  servers: Servers;
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

/** Where the servers are that stand behind the Service `kubernetes`. */
export function serverUrls({ endpoints, ports }: EndpointSlice): string[] {
  const port = ports?.[0]?.port;
  const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
  if (port === undefined) return [];
  return addresses.map((address) => `https://${hostPort(address, port)}`).sort();
}

/**
 * Keeps a tunnel of each class open to each server, so that any of them reaches this node by itself, as servers come and go; until the signal aborts.
 */
export function keepTunnels(
  { servers, client, clock, random, log, signal }: Deps,
  tunnel: { node: string; server: Server; dialPod: TunnelOptions['dialPod'] },
): void {
  const open = new Map<string, AbortController>();
  const follow = () => {
    const known = new Set(servers.each());
    for (const [url, end] of open)
      if (!known.has(url)) {
        end.abort();
        open.delete(url);
      }
    for (const url of known) {
      if (open.has(url)) continue;
      const end = new AbortController();
      open.set(url, end);
      const until = AbortSignal.any([signal, end.signal]);
      const transport = servers.transportTo(url);
      for (const use of STREAM_CLASSES) {
        const child = log.child({ server: url, use });
        void keepAgentTunnel({ ...tunnel, use, transport, clock, random, log: child, signal: until });
      }
    }
  };
  follow();
  const slices = startInformer<EndpointSlice>({
    ...{ client, clock, random, signal, kind: EndpointSliceKind, namespace: 'default' },
    fieldSelector: 'metadata.name=kubernetes',
    onError: (error) => log.debug('The watch of servers broke', { error: messageOf(error) }),
  });
  const authorities = new TrustFollower({ servers, client, clock, log, signal, node: tunnel.node });
  slices.onChange(({ type, object }) => {
    if (type !== 'deleted') authorities.told(object.metadata.annotations);
    const urls = type === 'deleted' ? [] : serverUrls(object);
    // A list without any is no reason to forget where they were.
    if (urls.length === 0) return;
    void servers
      .learn(urls)
      .then(follow)
      .catch((error) => log.warn('The servers could not be noted', { error: messageOf(error) }));
  });
}
