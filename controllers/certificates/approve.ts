import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import type { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { CertificateSigningRequest } from '#api/objects.ts';
import type { Check, Failure, Plan } from '../framework/contract.ts';
import { bindingOf, isOwn, type Names, whyTaken } from './names.ts';
import { NODE_SIGNER, type NodeRequest, nodeOf, nodeRequestOf, SERVING_SIGNER } from './requests.ts';

type Kinds = typeof CertificateSigningRequestKind | typeof ConfigMapKind;

/** A request that nobody may have approved by itself is looked at again: rights may have changed. */
const LOOK_AGAIN_MS = 60_000;

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
  const asked = isOpen(request) ? nodeRequestOf(request, NODE_SIGNER) : undefined;
  if (!asked) return planServing(request, names, failed);
  if (failed?.error.reason === 'Forbidden') return { actions: [], againAfterMs: LOOK_AGAIN_MS };
  const fault = whyTaken(request, asked, names);
  if (fault) return { actions: [decide(request, 'Denied', 'NameTaken', fault)] };
  const right = isOwn(request, asked) ? 'selfnodeclient' : 'nodeclient';
  const approval = decide(request, 'Approved', 'AutoApproved', APPROVED[right]);
  const checks: Check[] = [{ is: 'allowed', spec: reviewOf(request, right) }];
  // Bound before it is certified: what comes between leaves a name that the same machine may ask for again.
  return { actions: [...bindingOf(asked, names, checks), { ...approval, checks }] };
}

/**
 * Approves what asks for the serving certificate of a node, when the node itself asks (`selfnodeserver`) for names and addresses that
 * its Node has. What names more waits: for people, or for the Node to tell of it.
 */
function planServing(
  request: CertificateSigningRequest,
  names: Names,
  failed: Failure | undefined,
): Plan<Kinds> {
  const asked = isOpen(request) ? nodeRequestOf(request, SERVING_SIGNER) : undefined;
  if (!asked || !isOwn(request, asked)) return { actions: [] };
  const known = new Set(names.namesOf(nodeOf(asked)));
  const { dnsNames, addresses } = asked.alternativeNames;
  const isKnown = [...dnsNames, ...addresses].every((name) => known.has(name));
  if (!isKnown || failed?.error.reason === 'Forbidden') return { actions: [], againAfterMs: LOOK_AGAIN_MS };
  const right = 'selfnodeserver';
  const checks: Check[] = [{ is: 'allowed', spec: reviewOf(request, right) }];
  return { actions: [{ ...decide(request, 'Approved', 'AutoApproved', APPROVED[right]), checks }] };
}

const APPROVED = {
  nodeclient: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  selfnodeclient: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  selfnodeserver:
    'Auto approving kubelet serving certificate for names of the Node after SubjectAccessReview.',
};

function isOpen({ metadata, status }: CertificateSigningRequest): boolean {
  const decided = status?.conditions?.some(({ type }) => type === 'Approved' || type === 'Denied');
  return !metadata.deletionTimestamp && !decided && !status?.certificate;
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
