import type { Lease, Node, Pod } from '#api/objects.ts';
import { nodeNameOf } from '../authorization/node.ts';
import { referencesOf } from '../authorization/node-graph.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import { refusal } from './refuse.ts';
import { MIRROR_ANNOTATION } from './service-account.ts';

/**
 * What a node may write into the objects that its authorizer lets it touch. Token requests are checked where tokens are
 * made. Source: Kubernetes NodeRestriction.
 */
export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  validate(request) {
    const node = nodeNameOf(request.identity);
    if (node === undefined) return;
    const { group, plural } = request.kind;
    const fault =
      group === '' && plural === 'pods'
        ? podFault(node, request)
        : group === '' && plural === 'nodes'
          ? nodeFault(node, request)
          : plural === 'leases'
            ? leaseFault(node, request)
            : undefined;
    if (fault) throw refusal(request, fault);
  },
};

function podFault(node: string, request: AdmissionRequest): string | undefined {
  const { operation, subresource } = request;
  const pod = (request.object ?? request.old) as Pod | undefined;
  const old = request.old as Pod | undefined;
  if (operation === 'CREATE' && subresource === '') return pod && mirrorFault(node, pod);
  if (subresource === 'eviction' || operation === 'CONNECT') return undefined;
  const bound = (old ?? pod)?.spec?.nodeName;
  if (bound !== node) {
    const what = operation === 'DELETE' ? 'delete pods' : 'update status for pods';
    return `node ${JSON.stringify(node)} can only ${what} with spec.nodeName set to itself`;
  }
  if (operation === 'UPDATE' && subresource !== 'status')
    return `unexpected operation UPDATE on a pod by a node`;
  if (operation === 'UPDATE' && !sameMap(pod?.metadata.labels, old?.metadata.labels)) {
    return `node ${JSON.stringify(node)} cannot update labels through pod status`;
  }
  return undefined;
}

/** A node may show the server a pod of its own files, which can use nothing of the cluster. */
function mirrorFault(node: string, pod: Pod): string | undefined {
  const quoted = JSON.stringify(node);
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] === undefined) {
    return `pod does not have ${JSON.stringify(MIRROR_ANNOTATION)} annotation, node ${quoted} can only create mirror pods`;
  }
  if (pod.spec?.nodeName !== node) {
    return `node ${quoted} can only create pods with spec.nodeName set to itself`;
  }
  const owners = pod.metadata.ownerReferences ?? [];
  if (owners.some((owner) => owner.kind !== 'Node' || owner.name !== node || owner.controller !== true)) {
    return `node ${quoted} can only create pods with an owner reference set to itself`;
  }
  const [reference] = referencesOf(pod);
  return (
    reference &&
    `node ${quoted} can not create pods that reference ${reference.slice(0, reference.indexOf('/'))}`
  );
}

const RESTRICTED_LABELS = 'node-restriction.kubernetes.io';
/** Of the labels under kubernetes.io and k8s.io a node may set only these on itself. */
const KUBELET_LABELS = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
]);

function nodeFault(node: string, request: AdmissionRequest): string | undefined {
  const quoted = JSON.stringify(node);
  const name = request.name || request.object?.metadata.name || '';
  if (name !== node) return `node ${quoted} is not allowed to modify node ${JSON.stringify(name)}`;
  if (request.operation === 'DELETE') return `node ${quoted} is not allowed to delete nodes`;
  const [object, old] = [request.object as Node, request.old as Node | undefined];
  const labels = changedLabels(object.metadata.labels, old?.metadata.labels).filter(isRestricted);
  if (labels.length > 0) {
    return `is not allowed to modify labels: ${labels.sort().join(', ')}`;
  }
  if (!old) return undefined;
  if (JSON.stringify(object.spec?.taints ?? []) !== JSON.stringify(old.spec?.taints ?? [])) {
    return `node ${quoted} is not allowed to modify taints`;
  }
  if (
    JSON.stringify(object.metadata.ownerReferences ?? []) !==
    JSON.stringify(old.metadata.ownerReferences ?? [])
  ) {
    return `node ${quoted} is not allowed to modify ownerReferences`;
  }
  return undefined;
}

function changedLabels(now: Record<string, string> = {}, before: Record<string, string> = {}): string[] {
  return [...new Set([...Object.keys(now), ...Object.keys(before)])].filter(
    (key) => now[key] !== before[key],
  );
}

function isRestricted(label: string): boolean {
  const domain = label.includes('/') ? label.slice(0, label.indexOf('/')) : '';
  const under = (suffix: string) => domain === suffix || domain.endsWith(`.${suffix}`);
  if (under(RESTRICTED_LABELS)) return true;
  if (!under('kubernetes.io') && !under('k8s.io')) return false;
  return !KUBELET_LABELS.has(label) && !under('kubelet.kubernetes.io') && !under('node.kubernetes.io');
}

function leaseFault(node: string, request: AdmissionRequest): string | undefined {
  const name = request.name || (request.object as Lease | undefined)?.metadata.name;
  if (request.namespace !== 'kube-node-lease') {
    return `can only access leases in the "kube-node-lease" system namespace`;
  }
  return name === node ? undefined : `can only access node lease with the same name as the requesting node`;
}

function sameMap(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  return changedLabels(a, b).length === 0;
}
