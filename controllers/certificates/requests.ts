import type { CertificateSigningRequest } from '#api/objects.ts';
import { type CertificateRequest, readCertificateRequest } from '#machinery/pki/certificate-request.ts';

/** Signers of Kubernetes that there are here. Source: Kubernetes, "Kubernetes signers". */
export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';
export const NODE_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';

export const NODE_PREFIX = 'system:node:';
const NODES_GROUP = 'system:nodes';

/** Subresources whose `create` is the right to have a request approved without people. */
export type NodeRequest = 'nodeclient' | 'selfnodeclient';

/** The request inside, when it is sound and one for the client certificate of a node. */
export function clientRequestOf(request: CertificateSigningRequest): CertificateRequest | undefined {
  if (request.spec?.signerName !== NODE_SIGNER) return undefined;
  const asked = readSpec(request);
  return faultOf(request, asked) === undefined ? asked : undefined;
}

/** Validation has read it before: a request that is stored is sound. */
export function readSpec({ spec }: CertificateSigningRequest): CertificateRequest {
  return readCertificateRequest(Buffer.from(spec!.request, 'base64').toString('latin1'));
}

/** Why the request is not as its signer signs them; worded as kube-controller-manager does. */
export function faultOf({ spec }: CertificateSigningRequest, asked: CertificateRequest): string | undefined {
  const usages = new Set(spec!.usages ?? []);
  if (!usages.has('client auth')) return `usages did not match: ${[...usages].join(', ')}`;
  const others = [...usages].filter((usage) => !ALLOWED_USAGES.has(usage));
  if (others.length > 0) return `usages did not match: ${others.join(', ')}`;
  if (spec!.signerName !== NODE_SIGNER) return undefined;
  if (asked.organizations.length !== 1 || asked.organizations[0] !== NODES_GROUP)
    return 'subject organization is not system:nodes';
  const node = asked.commonName.startsWith(NODE_PREFIX) ? asked.commonName.slice(NODE_PREFIX.length) : '';
  return NODE_NAME.test(node) ? undefined : 'subject common name does not begin with system:node:';
}

const ALLOWED_USAGES = new Set(['client auth', 'digital signature', 'key encipherment']);
/** A Node's own name: RFC 1123. */
const NODE_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
