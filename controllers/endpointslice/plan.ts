/**
 * EndpointSlices of a Service: at most 100 addresses each, all of one family and with the same ports. An endpoint stays in
 * the slice it is in, so that one pod's change rewrites one slice.
 * Source: Kubernetes documentation, "EndpointSlices".
 */
import type * as k8s from '@kubernetes/client-node';
import type { Kind } from '#api/kind.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import { type EndpointSlice, keyOf, type Pod, type Service } from '#api/objects.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import type { Action, Plan } from '../framework/contract.ts';
import {
  type Backend,
  backendsOf,
  byPorts,
  type Family,
  familiesOf,
  HEADLESS,
  isHeadless,
  type Port,
  portsKey,
} from './backends.ts';

type Step = Action<Kind<EndpointSlice>>;
type Endpoint = k8s.V1Endpoint;

const MAX_ENDPOINTS = 100;
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const SERVICE_NAME = 'kubernetes.io/service-name';

const CHANGED = { reason: 'EndpointsChanged', message: 'the pods behind the Service have changed' };
const EMPTY = { reason: 'SliceEmpty', message: 'no endpoint is left in it' };

/** `slices` are those that the Service owns. */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  slices: readonly EndpointSlice[],
  zoneOf: (node: string) => string | undefined,
): Plan<Kind<EndpointSlice>> {
  if (service.metadata.deletionTimestamp) return { actions: [] };
  const mine = slices
    .filter((slice) => slice.metadata.labels?.[MANAGED_BY] === MANAGER && !slice.metadata.deletionTimestamp)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const actions: Step[] = [];
  const kept = new Set<EndpointSlice>();
  for (const family of familiesOf(service)) {
    const groups = byPorts(backendsOf(service, pods, family));
    // A Service without pods still has one slice, so that clients see that it has none.
    if (groups.size === 0) groups.set(portsKey([]), []);
    for (const backends of groups.values()) {
      actions.push(...planGroup(service, family, backends, mine, kept, zoneOf));
    }
  }
  for (const slice of mine) {
    if (kept.has(slice)) continue;
    const options = { uid: slice.metadata.uid };
    actions.push({ do: 'delete', kind: EndpointSliceKind, key: keyOf(slice), options, why: EMPTY });
  }
  return { actions };
}

function planGroup(
  service: Service,
  family: Family,
  backends: readonly Backend[],
  mine: readonly EndpointSlice[],
  kept: Set<EndpointSlice>,
  zoneOf: (node: string) => string | undefined,
): Step[] {
  const ports = backends[0]?.ports ?? [];
  const left = new Map<string, Endpoint>();
  for (const backend of backends) left.set(backend.ip, endpointOf(service, backend, zoneOf));
  const same = mine.filter(
    (slice) => slice.addressType === family && portsKey(slice.ports ?? []) === portsKey(ports),
  );
  const filled = same.map((slice) => ({ slice, endpoints: stay(slice, left) }));
  for (const { endpoints } of filled) {
    for (const [ip, endpoint] of left) {
      if (endpoints.length >= MAX_ENDPOINTS) break;
      endpoints.push(endpoint);
      left.delete(ip);
    }
  }
  const steps: Step[] = [];
  let needsPlaceholder = backends.length === 0;
  for (const { slice, endpoints } of filled) {
    if (endpoints.length === 0 && !needsPlaceholder) continue;
    needsPlaceholder = false;
    kept.add(slice);
    const changed = { ...slice, metadata: { ...slice.metadata, labels: labelsOf(service) }, endpoints };
    if (
      canonicalJson([changed.metadata.labels, endpoints]) ===
      canonicalJson([slice.metadata.labels, slice.endpoints ?? []])
    )
      continue;
    steps.push({ do: 'update', kind: EndpointSliceKind, object: changed, why: CHANGED });
  }
  const rest = [...left.values()];
  for (let start = 0; start < rest.length || needsPlaceholder; start += MAX_ENDPOINTS) {
    needsPlaceholder = false;
    const object = newSlice(service, family, ports, rest.slice(start, start + MAX_ENDPOINTS));
    steps.push({ do: 'create', kind: EndpointSliceKind, object, why: CHANGED });
  }
  return steps;
}

/** Endpoints of the slice that still are, as they are now; they are taken out of `left`. */
function stay(slice: EndpointSlice, left: Map<string, Endpoint>): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const { addresses } of slice.endpoints ?? []) {
    const ip = addresses[0] ?? '';
    const now = left.get(ip);
    if (!now) continue;
    endpoints.push(now);
    left.delete(ip);
  }
  return endpoints;
}

function endpointOf(
  service: Service,
  { pod, ip, ready, serving, terminating }: Backend,
  zoneOf: (node: string) => string | undefined,
): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName ? zoneOf(nodeName) : undefined;
  const hasHostname = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name;
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hasHostname && { hostname: pod.spec!.hostname }),
    ...(nodeName && { nodeName }),
    ...(zone && { zone }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}

function labelsOf(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_BY]: MANAGER,
    ...(isHeadless(service) && { [HEADLESS]: '' }),
  };
}

function newSlice(
  service: Service,
  addressType: Family,
  ports: Port[],
  endpoints: Endpoint[],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace,
      labels: labelsOf(service),
      ownerReferences: [controllerReference(ServiceKind, service)],
    },
    addressType,
    endpoints,
    ports,
  };
}
