import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { CertificateSigningRequest, ConfigMap } from '#api/objects.ts';
import { type BoundKeys, bindKey, boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { Action, Check, Failure, Plan } from '../framework/contract.ts';
import { clientRequestOf, NODE_PREFIX, type NodeRequest } from './requests.ts';

type Kinds = typeof CertificateSigningRequestKind | typeof ConfigMapKind;

/** A request that nobody may have approved by itself is looked at again: rights may have changed. */
const LOOK_AGAIN_MS = 60_000;

/** What approval depends on besides the request. */
export interface Names {
  /** Which keys are bound; undefined: none yet. */
  map: ConfigMap | undefined;
  /** Whether there is a Node of that name. */
  exists(node: string): boolean;
}

/**
 * Approves what asks for the client certificate of a node, when who asks may (`nodeclient` for machines that join,
 * `selfnodeclient` for a node's own renewal) and the name is not another's: a name is bound to the first key it was certified for,
 * and to those the node itself has moved on to. All other requests wait for people.
 */
export function planApproval(
  request: CertificateSigningRequest,
  names: Names,
  failed: Failure | undefined,
): Plan<Kinds> {
  const asked = isOpen(request) ? clientRequestOf(request) : undefined;
  if (!asked) return { actions: [] };
  if (failed?.error.reason === 'Forbidden') return { actions: [], againAfterMs: LOOK_AGAIN_MS };
  const node = asked.commonName.slice(NODE_PREFIX.length);
  const isOwn = request.spec?.username === asked.commonName;
  const bound = boundKeys(names.map?.data, node);
  const fault = isOwn || bound?.keys[0] === asked.keyHash ? undefined : whyTaken(node, bound, names);
  if (fault) return { actions: [decide(request, 'Denied', 'NameTaken', fault)] };
  const right = isOwn ? 'selfnodeclient' : 'nodeclient';
  const approval = decide(request, 'Approved', 'AutoApproved', APPROVED[right]);
  const checks: Check[] = [{ is: 'allowed', spec: reviewOf(request, right) }];
  // Bound before it is certified: what comes between leaves a name that the same machine may ask for again.
  const binding = bindingOf(names.map, node, bindKey(bound, asked.keyHash), checks);
  return { actions: [...binding, { ...approval, checks }] };
}

const APPROVED = {
  nodeclient: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  selfnodeclient: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
};

function isOpen({ metadata, status }: CertificateSigningRequest): boolean {
  const decided = status?.conditions?.some(({ type }) => type === 'Approved' || type === 'Denied');
  return !metadata.deletionTimestamp && !decided && !status?.certificate;
}

function whyTaken(node: string, bound: BoundKeys | undefined, names: Names): string | undefined {
  if (!bound && !names.exists(node)) return undefined;
  return `node ${node} is another machine: its name is bound to another key; choose another name, or delete that Node first`;
}

/** Nothing when it is so already. */
function bindingOf(
  map: ConfigMap | undefined,
  node: string,
  bound: BoundKeys,
  checks: Check[],
): Action<Kinds>[] {
  const entry = boundKeysText(bound);
  if (map?.data?.[node] === entry) return [];
  const why = { reason: 'NodeJoins', message: `${node} is certified for this key` };
  const common = { kind: ConfigMapKind, why, checks };
  const data = { ...map?.data, [node]: entry };
  if (map) return [{ do: 'update', object: { ...map, data }, ...common }];
  const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...NODE_KEYS }, data };
  return [{ do: 'create', object, ...common }];
}

function decide(
  request: CertificateSigningRequest,
  type: 'Approved' | 'Denied',
  reason: string,
  message: string,
) {
  const conditions = [...(request.status?.conditions ?? []), { type, status: 'True', reason, message }];
  const object = { ...request, status: { ...request.status, conditions } };
  const why = { reason, message };
  return { do: 'update' as const, subresource: 'approval', kind: CertificateSigningRequestKind, object, why };
}

function reviewOf({ spec }: CertificateSigningRequest, subresource: NodeRequest) {
  const { username, groups, uid, extra } = spec!;
  const resource = { group: 'certificates.k8s.io', version: '*', resource: 'certificatesigningrequests' };
  return {
    ...{ user: username, groups, uid, extra },
    resourceAttributes: { ...resource, verb: 'create', subresource },
  };
}
