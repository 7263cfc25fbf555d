/** The legacy Endpoints object of a Service, for clients that do not read slices. Source: Kubernetes API, Endpoints v1. */
import type * as k8s from '@kubernetes/client-node';
import type { Kind } from '#api/kind.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import type { Endpoints, Pod, Service } from '#api/objects.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import type { Plan } from '../framework/contract.ts';
import { type Backend, backendsOf, byPorts, familiesOf, HEADLESS, isHeadless } from './backends.ts';

/** More do not fit in one object; clients of so large Services read slices. Source: Kubernetes, over-capacity Endpoints. */
const MAX_ADDRESSES = 1000;
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const MANAGER = 'endpoint-controller';

export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  endpoints: Endpoints | undefined,
): Plan<Kind<Endpoints>> {
  if (service.metadata.deletionTimestamp) return { actions: [] };
  const [family] = familiesOf(service);
  const all = backendsOf(service, pods, family!).filter(({ ready, terminating }) => ready || !terminating);
  const backends = all.slice(0, MAX_ADDRESSES);
  const { [OVER_CAPACITY]: _old, ...annotations } = endpoints?.metadata.annotations ?? {};
  if (all.length > MAX_ADDRESSES) annotations[OVER_CAPACITY] = 'truncated';
  const labels = {
    ...service.metadata.labels,
    [MANAGED_BY]: MANAGER,
    ...(isHeadless(service) && { [HEADLESS]: '' }),
  };
  const { name, namespace } = service.metadata;
  const next: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...(endpoints?.metadata ?? { name, namespace }), labels },
    subsets: [...byPorts(backends).values()].map(subsetOf),
  };
  if (Object.keys(annotations).length) next.metadata.annotations = annotations;
  else delete next.metadata.annotations;
  const why = { reason: 'EndpointsChanged', message: 'the pods behind the Service have changed' };
  if (!endpoints) return { actions: [{ do: 'create', kind: EndpointsKind, object: next, why }] };
  const same = (a: Endpoints, b: Endpoints) =>
    canonicalJson([a.metadata.labels, a.metadata.annotations ?? {}, a.subsets ?? []]) ===
    canonicalJson([b.metadata.labels ?? {}, b.metadata.annotations ?? {}, b.subsets ?? []]);
  if (same(next, endpoints)) return { actions: [] };
  return { actions: [{ do: 'update', kind: EndpointsKind, object: next, why }] };
}

/** Only Endpoints that were made for a Service go with it; those a user made by hand stay. */
export function planEndpointsWithoutService(endpoints: Endpoints | undefined): Plan<Kind<Endpoints>> {
  if (endpoints?.metadata.labels?.[MANAGED_BY] !== MANAGER || endpoints.metadata.deletionTimestamp)
    return { actions: [] };
  const { namespace, name, uid } = endpoints.metadata;
  const why = { reason: 'NoService', message: 'the Service is gone' };
  return {
    actions: [{ do: 'delete', kind: EndpointsKind, key: `${namespace}/${name}`, options: { uid }, why }],
  };
}

function subsetOf(backends: readonly Backend[]): k8s.V1EndpointSubset {
  const sorted = [...backends].sort((a, b) => (a.ip < b.ip ? -1 : 1));
  const addresses = sorted.filter(({ ready }) => ready).map(addressOf);
  const notReadyAddresses = sorted.filter(({ ready }) => !ready).map(addressOf);
  return {
    ...(addresses.length && { addresses }),
    ...(notReadyAddresses.length && { notReadyAddresses }),
    ports: backends[0]!.ports.map(({ name, ...port }) => ({ ...(name && { name }), ...port })),
  };
}

function addressOf({ ip, pod }: Backend): k8s.V1EndpointAddress {
  const { namespace, name, uid } = pod.metadata;
  const { nodeName, hostname } = pod.spec ?? {};
  return {
    ip,
    ...(hostname && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}
