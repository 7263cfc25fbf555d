import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import type { Lease } from '#api/objects.ts';
import { AUTHORITIES, authorityState, CERTIFIED_BY, TRUST } from '#api/semantics/authorities.ts';
import { serverSkew } from '#api/semantics/version-skew.ts';
import { type Clock, every, rfc3339Micro } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { bundleHash } from '#machinery/pki/bundle.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { Engine, ObjectReader } from '../contract.ts';
import { put } from './ensure.ts';
import { OtherClocks, type Renewal } from './server-clocks.ts';

/**
 * Which servers there are, behind the Service `kubernetes`: pods, nodes and people reach the API by any of them. Each server keeps a
 * Lease with its address, and the endpoints are those of all Leases that are renewed. Source: Kubernetes, "API server leases".
 */

export const KUBERNETES = { name: 'kubernetes', namespace: 'default' };
export const LABELS = { component: 'apiserver', provider: 'kubernetes' };
export const PORT_NAME = 'https';

/** Of the servers' Leases. */
export const NAMESPACE = 'kube-system';
const IDENTITY = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };
const ADDRESS = 'gantry.dev/address';
const VERSION = 'gantry.dev/version';
const CLOCK_SKEW = 'gantry.dev/clock-skew';
const RENEW_MS = 5_000;
/** A server that is not heard of for so long takes no part. Clocks may differ by some of it. */
const LEASE_MS = 20_000;

export interface ServerAddress {
  address: string;
  port: number;
}

export interface ServersDeps {
  engine: Engine;
  clock: Clock;
  log: Logger;
  self: ServerAddress;
  /** What its Lease tells of its authorities, by annotation. */
  authorities?: () => Record<string, string>;
  /** Of the program; servers that are too far apart are kept out. */
  version?: string;
  /** Others may share the store: else this server is all there is, and keeps no Lease. */
  shared: boolean;
}

/** The versions of this server and another one are too far apart. */
export class ServerSkewError extends Error {}

export interface JoinedServer {
  /** Tells now what is told now and then. */
  tell(): Promise<void>;
  /** It takes itself out. */
  leave(): Promise<void>;
}

/** Makes this server one of those that are known; resolves once it is. Throws ServerSkewError. */
export async function joinServers(deps: ServersDeps, signal: AbortSignal): Promise<JoinedServer> {
  const { engine, clock, log, self, version = '', shared, authorities } = deps;
  if (!shared) {
    await publish(engine, [self]);
    return { tell: () => publish(engine, [self]), leave: async () => {} };
  }
  refuseSkew(engine, self, version, clock.now());
  const clocks = new OtherClocks(log);
  const work = async (renewMs: number | undefined) => {
    const skew = clocks.look(renewalsOf(othersOf(engine.list(LeaseKind, NAMESPACE), self)), clock.now());
    const told = { [VERSION]: version, [CLOCK_SKEW]: skew, ...authorities?.() };
    await put(engine, LeaseKind, leaseOf(self, told, renewMs));
    // Its own end may not have come back to its cache yet.
    const known = serversOf(engine.list(LeaseKind, NAMESPACE), clock.now()).filter(
      ({ address, port }) => renewMs !== undefined || address !== self.address || port !== self.port,
    );
    // Somebody must be there to ask.
    await publish(engine, known.length > 0 ? known : [self]);
  };
  const over = new AbortController();
  await work(clock.now());
  every(clock, RENEW_MS, AbortSignal.any([signal, over.signal]), async () => {
    await work(clock.now()).catch((error) => {
      log.warn('The other servers could not be told of this one', { error: messageOf(error) });
    });
  });
  const leave = async () => {
    over.abort();
    await work(undefined).catch((error) => {
      log.warn('The other servers could not be told that this one goes', { error: messageOf(error) });
    });
  };
  return { tell: () => work(clock.now()), leave };
}

function refuseSkew(objects: ObjectReader, self: ServerAddress, version: string, now: number): void {
  for (const { metadata } of liveServers(othersOf(objects.list(LeaseKind, NAMESPACE), self), now)) {
    const skew = serverSkew(version, metadata.annotations?.[VERSION]);
    if (skew) throw new ServerSkewError(skew);
  }
}

function renewalsOf(leases: readonly Lease[]): Renewal[] {
  return leases.flatMap(({ metadata, spec }) => {
    const { address, port } = addressOf(metadata.annotations?.[ADDRESS])!;
    return spec?.renewTime ? [{ server: hostPort(address, port), at: Date.parse(spec.renewTime) }] : [];
  });
}

/** `renewMs`: now; undefined when the server goes. Annotations without a value are left out. */
function leaseOf(
  { address, port }: ServerAddress,
  annotations: Record<string, string | undefined>,
  renewMs: number | undefined,
): Lease {
  const name = `gantry-apiserver-${address.replaceAll(/[^a-z0-9]+/g, '-')}-${port}`;
  const held = renewMs === undefined ? {} : { holderIdentity: name, renewTime: rfc3339Micro(renewMs) };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...{ name, namespace: NAMESPACE, labels: IDENTITY },
      annotations: {
        [ADDRESS]: JSON.stringify({ address, port }),
        ...Object.fromEntries(Object.entries(annotations).filter(([, value]) => value)),
      },
    },
    spec: { leaseDurationSeconds: LEASE_MS / 1000, ...held },
  };
}

/** The others of which `self` has heard lately. */
export function otherServers(objects: ObjectReader, self: ServerAddress, now: number): ServerAddress[] {
  return serversOf(othersOf(objects.list(LeaseKind, NAMESPACE), self), now);
}

/** Those of other servers, whether they are there or not. */
function othersOf(leases: readonly Lease[], self: ServerAddress): Lease[] {
  return leases.filter(isServers).filter(({ metadata }) => {
    const at = addressOf(metadata.annotations?.[ADDRESS]);
    return at !== undefined && (at.address !== self.address || at.port !== self.port);
  });
}

function isServers({ metadata }: Lease): boolean {
  return Object.entries(IDENTITY).every(([name, value]) => metadata.labels?.[name] === value);
}

/** The Leases of servers that are at work. */
export function liveServers(leases: readonly Lease[], now: number): Lease[] {
  return leases.filter(isServers).filter(({ spec }) => now - Date.parse(spec?.renewTime ?? '') < LEASE_MS);
}

/** Those whose Lease is renewed, in order. */
export function serversOf(leases: readonly Lease[], now: number): ServerAddress[] {
  return liveServers(leases, now)
    .flatMap(({ metadata }) => addressOf(metadata.annotations?.[ADDRESS]) ?? [])
    .sort((a, b) => (`${a.address} ${a.port}` < `${b.address} ${b.port}` ? -1 : 1));
}

/** The Leases of servers that were at one of these addresses. */
export function leasesAt(leases: readonly Lease[], addresses: ReadonlySet<string>): Lease[] {
  return leases.filter(({ metadata }) => {
    const at = addressOf(metadata.annotations?.[ADDRESS]);
    return at !== undefined && addresses.has(at.address);
  });
}

function addressOf(text: string | undefined): ServerAddress | undefined {
  try {
    const { address, port } = JSON.parse(text ?? '');
    return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined;
  } catch {
    return undefined; // written by nobody of ours
  }
}

/** Nodes watch these endpoints, and so learn of authorities they shall trust and be certified by. */
function trustOf(engine: Engine): { annotations?: Record<string, string> } {
  const map = engine.get(ConfigMapKind, AUTHORITIES.name, AUTHORITIES.namespace);
  const servers = authorityState(map?.data, 'server-ca');
  const clients = authorityState(map?.data, 'client-ca');
  const annotations = {
    ...(servers && { [TRUST]: bundleHash(servers.bundle) }),
    ...(clients && { [CERTIFIED_BY]: keyHashOf(clients.bundle) }),
  };
  return Object.keys(annotations).length > 0 ? { annotations } : {};
}

/** Of one family: an EndpointSlice holds no other. Servers of the other one are left out, as Kubernetes leaves them. */
async function publish(engine: Engine, servers: readonly ServerAddress[]): Promise<void> {
  const [first] = servers;
  const isV6 = first!.address.includes(':');
  const alike = servers.filter(({ address }) => address.includes(':') === isV6);
  const ports = [{ name: PORT_NAME, port: first!.port, protocol: 'TCP' }];
  const addresses = alike.filter(({ port }) => port === first!.port).map(({ address }) => address);
  await put(engine, EndpointsKind, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    // The endpoint controllers leave these to the server.
    metadata: { ...KUBERNETES, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports }],
  });
  await put(engine, EndpointSliceKind, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...KUBERNETES,
      labels: { 'kubernetes.io/service-name': KUBERNETES.name },
      ...trustOf(engine),
    },
    addressType: isV6 ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports,
  });
}
