import type { CertificateSigningRequest } from '#api/objects.ts';
import { type CertificateRequest, readCertificateRequest } from '#machinery/pki/certificate-request.ts';

/** Signers of Kubernetes that there are here. Source: Kubernetes, "Kubernetes signers". */
export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';
export const NODE_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
export const SERVING_SIGNER = 'kubernetes.io/kubelet-serving';

export const NODE_PREFIX = 'system:node:';
const NODES_GROUP = 'system:nodes';

/** Subresources whose `create` is the right to have a request approved without people. */
export type NodeRequest = 'nodeclient' | 'selfnodeclient' | 'selfnodeserver';

/** The request inside, when it is sound and one for a node's certificate of that signer. */
export function nodeRequestOf(
  request: CertificateSigningRequest,
  signer: typeof NODE_SIGNER | typeof SERVING_SIGNER,
): CertificateRequest | undefined {
  if (request.spec?.signerName !== signer) return undefined;
  const asked = readSpec(request);
  return faultOf(request, asked) === undefined ? asked : undefined;
}

/** Validation has read it before: a request that is stored is sound. */
export function readSpec({ spec }: CertificateSigningRequest): CertificateRequest {
  return readCertificateRequest(Buffer.from(spec!.request, 'base64').toString('latin1'));
}

/** The node that a request for its certificate names. */
export function nodeOf({ commonName }: CertificateRequest): string {
  return commonName.slice(NODE_PREFIX.length);
}

/** Why the request is not as its signer signs them; worded as kube-controller-manager does. */
export function faultOf({ spec }: CertificateSigningRequest, asked: CertificateRequest): string | undefined {
  const usages = spec!.usages ?? [];
  switch (spec!.signerName) {
    case NODE_SIGNER:
      return (
        organizationFault(asked) ??
        clientNameFault(asked) ??
        nodeNameFault(asked) ??
        usageFault(usages, CLIENT)
      );
    case SERVING_SIGNER:
      return (
        organizationFault(asked) ??
        servingNameFault(asked) ??
        usageFault(usages, SERVER) ??
        nodeNameFault(asked)
      );
    default:
      return clientUsageFault(usages);
  }
}

const SIGNATURE = 'digital signature';
const ENCIPHERMENT = 'key encipherment';
const CLIENT = 'client auth';
const SERVER = 'server auth';

/** Exactly signature and `purpose`, and for RSA keys encipherment. */
function usageFault(usages: readonly string[], purpose: string): string | undefined {
  const least = [purpose, SIGNATURE];
  const most = [...least, ENCIPHERMENT];
  const fits = least.every((each) => usages.includes(each)) && usages.every((each) => most.includes(each));
  return fits ? undefined : `usages did not match [${most.sort().join(' ')}]`;
}

function clientUsageFault(usages: readonly string[]): string | undefined {
  const odd = usages.find((each) => ![CLIENT, SIGNATURE, ENCIPHERMENT].includes(each));
  if (odd !== undefined) return `invalid usage for client certificate: ${odd}`;
  return usages.includes(CLIENT) ? undefined : `missing required usage for client certificate: ${CLIENT}`;
}

function organizationFault({ organizations }: CertificateRequest): string | undefined {
  const isNodes = organizations.length === 1 && organizations[0] === NODES_GROUP;
  return isNodes ? undefined : 'subject organization is not system:nodes';
}

/** A Node's own name: RFC 1123. */
const NODE_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

function nodeNameFault(asked: CertificateRequest): string | undefined {
  const isNode = asked.commonName.startsWith(NODE_PREFIX) && NODE_NAME.test(nodeOf(asked));
  return isNode ? undefined : 'subject common name does not begin with system:node:';
}

function clientNameFault({ alternativeNames: names }: CertificateRequest): string | undefined {
  if (names.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (names.emailAddresses.length > 0) return EMAIL_FAULT;
  if (names.addresses.length > 0) return 'IP subjectAltNames are not allowed';
  return names.uris.length > 0 ? URI_FAULT : undefined;
}

function servingNameFault({ alternativeNames: names }: CertificateRequest): string | undefined {
  if (names.dnsNames.length + names.addresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (names.emailAddresses.length > 0) return EMAIL_FAULT;
  return names.uris.length > 0 ? URI_FAULT : undefined;
}

const EMAIL_FAULT = 'Email subjectAltNames are not allowed';
const URI_FAULT = 'URI subjectAltNames are not allowed';
