/** Services and what lies around them. Source: Kubernetes, pkg/api/service/warnings.go and the strategies in pkg/registry. */
import type { EndpointSlice, Endpoints, Ingress, NetworkPolicy, Node, Pod, Service } from '../objects.ts';
import { isHeadless } from '../semantics/services.ts';
import { addressWarnings, cidrWarnings } from './addresses.ts';

const HINTS = 'service.kubernetes.io/topology-aware-hints';

export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const warnings: string[] = [];
  if (metadata.annotations?.[HINTS] !== undefined)
    warnings.push(
      `annotation ${HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead`,
    );
  if (!isHeadless(spec)) warnings.push(...each(spec.clusterIPs, 'spec.clusterIPs', addressWarnings));
  if (spec.type === 'ClusterIP' && isHeadless(spec)) {
    if (spec.loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services');
    if (spec.externalIPs?.length) warnings.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None')
      warnings.push('spec.SessionAffinity is ignored for headless services');
  }
  warnings.push(...each(spec.externalIPs, 'spec.externalIPs', addressWarnings));
  if (spec.loadBalancerIP) warnings.push(...addressWarnings('spec.loadBalancerIP', spec.loadBalancerIP));
  warnings.push(...each(spec.loadBalancerSourceRanges, 'spec.loadBalancerSourceRanges', cidrWarnings));
  if (spec.type === 'ExternalName' && spec.externalIPs?.length)
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (spec.type !== 'ExternalName' && spec.externalName)
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  return warnings;
}

export function serviceStatusWarnings({ status }: Service): string[] {
  return each(
    status?.loadBalancer?.ingress?.map(({ ip = '' }) => ip),
    'status.loadBalancer.ingress',
    addressWarnings,
  );
}

export function podStatusWarnings({ status }: Pod): string[] {
  return (['podIPs', 'hostIPs'] as const).flatMap((list) =>
    (status?.[list] ?? []).flatMap(({ ip = '' }, index) =>
      addressWarnings(`status.${list}[${index}].ip`, ip),
    ),
  );
}

function each(
  list: readonly string[] | undefined,
  field: string,
  judge: (field: string, text: string) => string[],
): string[] {
  return (list ?? []).flatMap((text, index) => judge(`${field}[${index}]`, text));
}

/** The controllers write addresses as they should be. */
const CONTROLLERS: Readonly<Record<string, readonly string[]>> = {
  'endpoints.kubernetes.io/managed-by': ['endpoint-controller'],
  'endpointslice.kubernetes.io/managed-by': [
    'endpointslice-controller.k8s.io',
    'endpointslicemirroring-controller.k8s.io',
  ],
};

function isManaged({ metadata }: Endpoints | EndpointSlice, label: string): boolean {
  return CONTROLLERS[label]!.includes(metadata.labels?.[label] ?? '');
}

export function endpointsWarnings(endpoints: Endpoints): string[] {
  if (isManaged(endpoints, 'endpoints.kubernetes.io/managed-by')) return [];
  return (endpoints.subsets ?? []).flatMap((subset, index) =>
    (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
      (subset[list] ?? []).flatMap(({ ip }, place) =>
        addressWarnings(`subsets[${index}].${list}[${place}].ip`, ip),
      ),
    ),
  );
}

export function endpointSliceWarnings(slice: EndpointSlice, old?: EndpointSlice): string[] {
  const warnings =
    slice.addressType === 'FQDN' && !old ? ['spec.addressType: FQDN endpoints are deprecated'] : [];
  if (isManaged(slice, 'endpointslice.kubernetes.io/managed-by')) return warnings;
  for (const [index, { addresses }] of (slice.endpoints ?? []).entries())
    warnings.push(...each(addresses, `endpoints[${index}].addresses`, addressWarnings));
  return warnings;
}

const INGRESS_CLASS = 'kubernetes.io/ingress.class';

export function ingressWarnings({ metadata, spec }: Ingress, old?: Ingress): string[] {
  if (old || metadata.annotations?.[INGRESS_CLASS] === undefined || spec?.ingressClassName !== undefined)
    return [];
  return [`annotation "${INGRESS_CLASS}" is deprecated, please use 'spec.ingressClassName' instead`];
}

export function networkPolicyWarnings({ spec }: NetworkPolicy): string[] {
  const peers = [
    ...(spec?.ingress ?? []).flatMap(({ from }, rule) =>
      (from ?? []).map((peer, index) => [peer, `spec.ingress[${rule}].from[${index}].ipBlock`] as const),
    ),
    ...(spec?.egress ?? []).flatMap(({ to }, rule) =>
      (to ?? []).map((peer, index) => [peer, `spec.egress[${rule}].to[${index}].ipBlock`] as const),
    ),
  ];
  return peers.flatMap(([{ ipBlock }, field]) =>
    ipBlock
      ? [
          ...cidrWarnings(`${field}.cidr`, ipBlock.cidr),
          ...each(ipBlock.except, `${field}.except`, cidrWarnings),
        ]
      : [],
  );
}

export function nodeWarnings({ spec }: Node): string[] {
  const warnings: string[] = [];
  if (spec?.configSource) warnings.push('spec.configSource: the feature is removed');
  if (spec?.externalID)
    warnings.push('spec.externalID: this field is deprecated, and is unused by Kubernetes');
  return [...warnings, ...each(spec?.podCIDRs, 'spec.podCIDRs', cidrWarnings)];
}
