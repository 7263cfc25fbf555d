import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import type { Lease } from '#api/objects.ts';
import { type Clock, every, rfc3339Micro } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Engine, ObjectReader } from '../contract.ts';
import { put } from './ensure.ts';

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
  /** Others may share the store: else this server is all there is, and keeps no Lease. */
  shared: boolean;
}

/** Makes this server one of those that are known; resolves once it is. `leave`: it takes itself out. */
export async function joinServers(
  deps: ServersDeps,
  signal: AbortSignal,
): Promise<{ leave(): Promise<void> }> {
  const { engine, clock, log, self, shared } = deps;
  if (!shared) {
    await publish(engine, [self]);
    return { leave: async () => {} };
  }
  const work = async (renewMs: number | undefined) => {
    await put(engine, LeaseKind, leaseOf(self, renewMs));
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
  return { leave };
}

/** `renewMs`: now; undefined when the server goes. */
function leaseOf({ address, port }: ServerAddress, renewMs: number | undefined): Lease {
  const name = `gantry-apiserver-${address.replaceAll(/[^a-z0-9]+/g, '-')}-${port}`;
  const held = renewMs === undefined ? {} : { holderIdentity: name, renewTime: rfc3339Micro(renewMs) };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...{ name, namespace: NAMESPACE, labels: IDENTITY },
      annotations: { [ADDRESS]: JSON.stringify({ address, port }) },
    },
    spec: { leaseDurationSeconds: LEASE_MS / 1000, ...held },
  };
}

/** The others of which `self` has heard lately. */
export function otherServers(objects: ObjectReader, self: ServerAddress, now: number): ServerAddress[] {
  return serversOf(objects.list(LeaseKind, NAMESPACE), now).filter(
    ({ address, port }) => address !== self.address || port !== self.port,
  );
}

/** Those whose Lease is renewed, in order. */
export function serversOf(leases: readonly Lease[], now: number): ServerAddress[] {
  const [label] = Object.entries(IDENTITY);
  return leases
    .filter(({ metadata }) => metadata.labels?.[label![0]] === label![1])
    .filter(({ spec }) => now - Date.parse(spec?.renewTime ?? '') < LEASE_MS)
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
    metadata: { ...KUBERNETES, labels: { 'kubernetes.io/service-name': KUBERNETES.name } },
    addressType: isV6 ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports,
  });
}
