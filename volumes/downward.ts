import type { Pod } from '#api/objects.ts';
import { parseQuantity } from '#machinery/values/quantity.ts';

/**
 * What fieldRef and resourceFieldRef stand for, for environment variables and for downward API files alike. Pure.
 * Source: Kubernetes API, ObjectFieldSelector and ResourceFieldSelector.
 */
export interface DownwardFacts {
  pod: Pod;
  hostIPs?: readonly string[];
  podIPs?: readonly string[];
  nodeAllocatable?: Record<string, string>;
}

export interface ResourceField {
  containerName?: string;
  resource: string;
  divisor?: string;
}

/** The text of a field; undefined when the path is not one that can be asked for. */
export function fieldValue(path: string, facts: DownwardFacts): string | undefined {
  const { metadata, spec } = facts.pod;
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!] ?? '';
  const fields: Record<string, () => string> = {
    'metadata.name': () => metadata.name,
    'metadata.namespace': () => metadata.namespace ?? '',
    'metadata.uid': () => metadata.uid ?? '',
    'metadata.labels': () => formatMap(metadata.labels),
    'metadata.annotations': () => formatMap(metadata.annotations),
    'spec.nodeName': () => spec?.nodeName ?? '',
    'spec.serviceAccountName': () => spec?.serviceAccountName ?? '',
    'status.hostIP': () => facts.hostIPs?.[0] ?? '',
    'status.hostIPs': () => (facts.hostIPs ?? []).join(','),
    'status.podIP': () => facts.podIPs?.[0] ?? '',
    'status.podIPs': () => (facts.podIPs ?? []).join(','),
  };
  return fields[path]?.();
}

/** `key="value"` lines, sorted by key, the value quoted with escapes. */
function formatMap(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/**
 * A limit or request in units of the divisor, rounded up. A container without a limit is limited by what the node can
 * give. Undefined when container or resource is unknown.
 */
export function resourceValue(
  field: ResourceField,
  containerName: string,
  facts: DownwardFacts,
): string | undefined {
  const name = field.containerName || containerName;
  const all = [...(facts.pod.spec?.containers ?? []), ...(facts.pod.spec?.initContainers ?? [])];
  const container = all.find((other) => other.name === name);
  const [kind, ...rest] = field.resource.split('.');
  const resource = rest.join('.');
  if (!container || (kind !== 'limits' && kind !== 'requests') || resource === '') return undefined;
  const text =
    container.resources?.[kind]?.[resource] ??
    (kind === 'limits' ? facts.nodeAllocatable?.[resource] : undefined) ??
    '0';
  const divisor = field.divisor && field.divisor !== '0' ? parseQuantity(field.divisor).nano : 1_000_000_000n;
  const value = parseQuantity(text).nano;
  return String((value + divisor - 1n) / divisor);
}
