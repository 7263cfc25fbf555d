import { humanDuration } from '#machinery/values/duration.ts';
import type { Kind, Write } from '../kind.ts';
import type { CertificateSigningRequest } from '../objects.ts';
import {
  checkCertificateSigningRequest,
  checkRequestStatus,
  conditionsOf,
} from '../validation/certificates.ts';
import { isPathSegment } from '../validation/names.ts';
import { ageColumn, column, nameColumn, orNone } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Asks a signer for a certificate, once somebody has approved it. */
export const CertificateSigningRequestKind: Kind<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  singular: 'certificatesigningrequest',
  shortNames: ['csr'],
  namespaced: false,
  schema: 'io.k8s.api.certificates.v1.CertificateSigningRequest',
  subresources: {
    status: true,
    others: [{ name: 'approval', kind: 'CertificateSigningRequest', verbs: ['get', 'patch', 'update'] }],
  },
  strategy: strategyOf<CertificateSigningRequest>({
    namespaced: false,
    name: isPathSegment,
    prepareForCreate(request, write) {
      noteRequester(request, write);
      request.status = {};
    },
    prepareForUpdate(request, old) {
      request.spec = old.spec;
    },
    prepareForStatus,
    check: checkCertificateSigningRequest,
    checkStatus: checkRequestStatus,
  }),
  selectableFields: { 'spec.signerName': (request) => request.spec?.signerName ?? '' },
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', 'string', 'Who is to sign it.', (request) => orNone(request.spec?.signerName)),
    column('Requestor', 'string', 'Who made the request.', (request) => request.spec?.username ?? ''),
    column('RequestedDuration', 'string', 'How long the certificate is to be valid.', ({ spec }) =>
      spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', 'string', 'How far it has come.', conditionText),
  ],
};

/** Who asks is what the server knows of them, never what they say. */
function noteRequester({ spec }: CertificateSigningRequest, write: Write | undefined): void {
  if (!spec) return;
  delete spec.username;
  delete spec.uid;
  delete spec.groups;
  delete spec.extra;
  if (!write) return;
  const { name, uid, groups, extra } = write.identity;
  spec.username = name;
  if (uid) spec.uid = uid;
  if (groups.length > 0) spec.groups = [...groups];
  if (extra && Object.keys(extra).length > 0) spec.extra = structuredClone(extra);
}

/** Approval writes conditions only; the signer writes the certificate and leaves what approvers said. */
function prepareForStatus(
  request: CertificateSigningRequest,
  old: CertificateSigningRequest,
  { subresource, now }: Write,
): void {
  request.status ??= {};
  if (subresource === 'approval') request.status = { ...old.status, conditions: request.status.conditions };
  else for (const type of ['Approved', 'Denied']) keepConditions(request, old, type);
  if (!request.status.conditions?.length) delete request.status.conditions;
  for (const condition of request.status.conditions ?? []) {
    condition.lastUpdateTime ??= now;
    condition.lastTransitionTime ??=
      conditionsOf(old, condition.type).find(({ status }) => status === condition.status)
        ?.lastTransitionTime ?? now;
  }
}

/** As many conditions of the type as before are those of before; to add or take away one is a fault. */
function keepConditions(
  request: CertificateSigningRequest,
  old: CertificateSigningRequest,
  type: string,
): void {
  const before = conditionsOf(old, type);
  const conditions = request.status?.conditions ?? [];
  if (conditionsOf(request, type).length !== before.length) return;
  const kept = structuredClone(before);
  request.status!.conditions = conditions.map((each) => (each.type === type ? kept.shift()! : each));
}

function conditionText({ status }: CertificateSigningRequest): string {
  const has = (type: string) => (status?.conditions ?? []).some((condition) => condition.type === type);
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return `${decision}${has('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`;
}
