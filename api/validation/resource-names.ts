/** Names of resources in quotas and limits. Source: Kubernetes documentation, "Resource Quotas", "Limit Ranges". */
import { qualifiedNameFaults } from './names.ts';

const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'];
const COUNTED = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const IN_QUOTAS: ReadonlySet<string> = new Set([
  ...COMPUTE,
  ...COMPUTE.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  'requests.storage',
  ...COUNTED,
]);

/** A resource of Kubernetes, or somebody's own with a domain in front. */
export function resourceNameFaults(name: string): readonly string[] {
  const details = qualifiedNameFaults(name);
  if (details.length > 0 || name.includes('/')) return details;
  if (isQuotaResource(name) || name === 'storage') return [];
  return ['must be a standard resource type or fully qualified'];
}

/** What a container can ask for. */
export function containerResourceNameFaults(name: string): readonly string[] {
  const details = resourceNameFaults(name);
  if (!name.includes('/')) {
    if (COMPUTE.includes(name) || name.startsWith('hugepages-')) return details;
    return [...details, 'must be a standard resource for containers'];
  }
  if (isNative(name) || isExtended(name)) return details;
  return [...details, "doesn't follow extended resource name standard"];
}

/** What a quota can count. */
export function quotaResourceNameFaults(name: string): readonly string[] {
  const details = resourceNameFaults(name);
  if (name.includes('/') || isQuotaResource(name)) return details;
  return [...details, 'must be a standard resource for quota'];
}

/** Whether a quota knows the resource by itself. */
export function isQuotaResource(name: string): boolean {
  return IN_QUOTAS.has(name) || /^(requests\.)?hugepages-/.test(name);
}

/** Whether there are only whole pieces of it. */
export function isIntegerResource(name: string): boolean {
  return COUNTED.includes(name) || isExtended(name);
}

/** Whether more of it can be promised than there is. */
export function isOvercommittable(name: string): boolean {
  return isNative(name) && !name.startsWith('hugepages-');
}

/** One of Kubernetes' own. */
export function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

/** Somebody's own, which still has a name when a quota puts `requests.` in front. */
function isExtended(name: string): boolean {
  if (isNative(name) || name.startsWith('requests.')) return false;
  return qualifiedNameFaults(`requests.${name}`).length === 0;
}
