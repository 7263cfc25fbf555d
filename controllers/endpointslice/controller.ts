import type { Kind } from '#api/kind.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import { keyOf, type Pod, type Service } from '#api/objects.ts';
import { matchesSelector, selectorOfLabels } from '#machinery/values/selector.ts';
import type { View } from '../framework/contract.ts';
import { defineController, wakeBy, wakeController } from '../framework/define.ts';
import { hasBackends } from './backends.ts';
import { planEndpoints, planEndpointsWithoutService } from './endpoints-plan.ts';
import { planSlices } from './plan.ts';

/** Many pods change at once in a rollout: their Service is looked at once per this time, the first change at once. */
const SPACING_MS = 50;

const ZONE = 'topology.kubernetes.io/zone';

export const endpointSliceController = defineController({
  name: 'endpointslice-controller',
  for: ServiceKind,
  reads: [PodKind, EndpointSliceKind, NodeKind],
  writes: [EndpointSliceKind],
  wakes: [wakeBy(PodKind, servicesOf), wakeController(EndpointSliceKind, ServiceKind)],
  spacingMs: SPACING_MS,
  plan(_key, service, view) {
    if (!hasBackends(service)) return { actions: [] };
    const pods = podsOf(service, view.list(PodKind, service.metadata.namespace));
    const slices = view.ownedBy(EndpointSliceKind, service.metadata.uid ?? '');
    return planSlices(service, pods, slices, (node) => view.get(NodeKind, node)?.metadata.labels?.[ZONE]);
  },
});

export const endpointsController = defineController({
  name: 'endpoint-controller',
  for: ServiceKind,
  reads: [PodKind, EndpointsKind],
  writes: [EndpointsKind],
  wakes: [wakeBy(PodKind, servicesOf), wakeBy(EndpointsKind, (endpoints) => [keyOf(endpoints)])],
  spacingMs: SPACING_MS,
  plan(key, service, view) {
    const endpoints = view.get(EndpointsKind, key);
    if (!service) return planEndpointsWithoutService(endpoints);
    if (!hasBackends(service)) return { actions: [] };
    return planEndpoints(service, podsOf(service, view.list(PodKind, service.metadata.namespace)), endpoints);
  },
});

function podsOf(service: Service, pods: readonly Pod[]): Pod[] {
  const selector = selectorOfLabels(service.spec?.selector ?? {});
  return pods.filter((pod) => matchesSelector(selector, pod.metadata.labels));
}

function servicesOf(pod: Pod, view: View<readonly Kind<never>[]>): string[] {
  const services = (view as unknown as View<readonly [typeof ServiceKind]>).list(
    ServiceKind,
    pod.metadata.namespace,
  );
  return services.filter((service) => hasBackends(service) && podsOf(service, [pod]).length > 0).map(keyOf);
}
