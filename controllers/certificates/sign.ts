import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import type { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { CertificateSigningRequest } from '#api/objects.ts';
import type { CertificateOrder } from '#machinery/pki/certificate.ts';
import type { CertificateRequest } from '#machinery/pki/certificate-request.ts';
import type { Plan } from '../framework/contract.ts';
import { bindingOf, type Names, whyTaken } from './names.ts';
import { CLIENT_SIGNER, faultOf, NODE_SIGNER, readSpec, SERVING_SIGNER } from './requests.ts';

/**
 * Signs the key of a request (PKCS #10, PEM) for what the order says; injected, for no controller holds a key. What serves and what
 * connects is signed by different authorities.
 */
export type Sign = (request: string, order: CertificateOrder) => Promise<string>;

/** Source: kube-controller-manager, --cluster-signing-duration. */
export const LONGEST_MS = 365 * 24 * 3_600_000;
/** No certificate is shorter. Source: Kubernetes, CertificateSigningRequestSpec.expirationSeconds. */
const SHORTEST_MS = 600_000;

type Kinds = typeof CertificateSigningRequestKind | typeof ConfigMapKind;

/**
 * Certifies what is approved, of the signers that there are here; what cannot be signed has failed, with the reason. A node's
 * name is bound here too: people approve without looking at keys.
 */
export function planSigning(request: CertificateSigningRequest, names: Names, sign: Sign): Plan<Kinds> {
  const { metadata, spec, status } = request;
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) ?? false;
  if (!spec || !SIGNERS.includes(spec.signerName) || metadata.deletionTimestamp || status?.certificate)
    return { actions: [] };
  if (!has('Approved') || has('Denied') || has('Failed')) return { actions: [] };
  const asked = readSpec(request);
  const fault = faultOf(request, asked);
  if (fault) return { actions: [failure(request, 'SignerValidationFailure', fault)] };
  const isNode = spec.signerName === NODE_SIGNER;
  const taken = isNode ? whyTaken(request, asked, names) : undefined;
  if (taken) return { actions: [failure(request, 'NameTaken', taken)] };
  const order = orderOf(spec, asked);
  const complete = async (object: CertificateSigningRequest): Promise<CertificateSigningRequest> => {
    const pem = await sign(Buffer.from(spec.request, 'base64').toString(), order);
    return { ...object, status: { ...object.status, certificate: Buffer.from(pem).toString('base64') } };
  };
  const why = { reason: 'Approved', message: `it is approved, and ${spec.signerName} signs here` };
  const binding = isNode ? bindingOf(asked, names, []) : [];
  const signing = { do: 'updateStatus', kind: CertificateSigningRequestKind, object: request } as const;
  return { actions: [...binding, { ...signing, complete, why }] };
}

const SIGNERS = [CLIENT_SIGNER, NODE_SIGNER, SERVING_SIGNER];

function orderOf(
  { signerName, usages = [], expirationSeconds }: NonNullable<CertificateSigningRequest['spec']>,
  { commonName, organizations, alternativeNames: { dnsNames, addresses } }: CertificateRequest,
): CertificateOrder {
  const subjectAlternativeNames = [...dnsNames, ...addresses];
  return {
    subject: { commonName, organizations },
    usages: [signerName === SERVING_SIGNER ? 'server' : 'client'],
    lifetimeMs: lifetimeOf(expirationSeconds),
    ...(usages.includes('key encipherment') && { keyEncipherment: true }),
    ...(subjectAlternativeNames.length > 0 && { subjectAlternativeNames }),
  };
}

function lifetimeOf(seconds: number | undefined): number {
  if (seconds === undefined) return LONGEST_MS;
  return Math.min(Math.max(seconds * 1000, SHORTEST_MS), LONGEST_MS);
}

function failure(request: CertificateSigningRequest, reason: string, message: string) {
  const condition = { type: 'Failed', status: 'True', reason, message };
  const conditions = [...(request.status?.conditions ?? []), condition];
  const object = { ...request, status: { ...request.status, conditions } };
  const why = { reason, message };
  return { do: 'updateStatus' as const, kind: CertificateSigningRequestKind, object, why };
}
