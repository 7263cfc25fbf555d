/** Who may decide on certificate requests, and what nobody may ask for. */
import { SERVERS_GROUP } from '#api/node-link.ts';
import type { CertificateSigningRequest } from '#api/objects.ts';
import { readCertificateRequest } from '#machinery/pki/certificate-request.ts';
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '../contract.ts';
import { refusal } from './refuse.ts';

const GROUP = 'certificates.k8s.io';

/** To approve or deny takes the verb `approve` on the signer. Source: Kubernetes CertificateApproval. */
export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    validate(request) {
      if (!isAbout(request, 'approval')) return;
      const signer = signerOf(request.old);
      if (!mayForSigner(authorizer, request, 'approve', signer))
        throw refusal(request, `user not permitted to approve requests with signerName ${quoted(signer)}`);
    },
  };
}

/** To issue or fail takes the verb `sign` on the signer. Source: Kubernetes CertificateSigning. */
export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    validate(request) {
      if (!isAbout(request, 'status') || !isDecided(request)) return;
      const signer = signerOf(request.old);
      if (!mayForSigner(authorizer, request, 'sign', signer))
        throw refusal(request, `user not permitted to sign requests with signerName ${quoted(signer)}`);
    },
  };
}

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';
const PRIVILEGED_GROUPS = ['system:masters', SERVERS_GROUP];

/** No certificate of this API makes an administrator of all, or a server. Source: Kubernetes CertificateSubjectRestriction. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  validate(request) {
    if (!isAbout(request, '') || request.operation !== 'CREATE') return;
    const { spec } = request.object as CertificateSigningRequest;
    if (spec?.signerName !== CLIENT_SIGNER) return;
    // Validation has read it before.
    const { organizations } = readCertificateRequest(Buffer.from(spec.request, 'base64').toString('latin1'));
    const privileged = PRIVILEGED_GROUPS.find((each) => organizations.includes(each));
    if (privileged)
      throw refusal(request, `use of ${CLIENT_SIGNER} signer with ${privileged} group is not allowed`);
  },
};

function isAbout({ kind, subresource }: AdmissionRequest, wanted: string): boolean {
  return kind.group === GROUP && kind.plural === 'certificatesigningrequests' && subresource === wanted;
}

function isDecided({ object, old }: AdmissionRequest): boolean {
  const part = (from: AdmissionRequest['object']) => {
    const { certificate, conditions = [] } = (from as CertificateSigningRequest | undefined)?.status ?? {};
    return JSON.stringify([certificate, conditions]);
  };
  return part(object) !== part(old);
}

/** The signer of before: a write that would change it must not choose who is asked. */
function signerOf(old: AdmissionRequest['old']): string {
  return (old as CertificateSigningRequest | undefined)?.spec?.signerName ?? '';
}

/** By its name, or by `example.com/*` for all signers of its domain. */
function mayForSigner(
  authorizer: Authorizer,
  { identity }: AdmissionRequest,
  verb: string,
  signer: string,
): boolean {
  return [signer, `${signer.split('/')[0]}/*`].some(
    (name) =>
      authorizer.authorize({
        identity,
        verb,
        isResource: true,
        group: GROUP,
        version: '*',
        resource: 'signers',
        subresource: '',
        namespace: '',
        name,
        path: '',
      }).allowed,
  );
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
