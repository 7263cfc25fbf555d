/** Certificate requests. Source: Kubernetes API reference, CertificateSigningRequest. */
import { X509Certificate } from 'node:crypto';
import { CertificateRequestError, readCertificateRequest } from '#machinery/pki/certificate-request.ts';
import { pemBlocks } from '#machinery/pki/pem.ts';
import type { CertificateSigningRequest } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults } from './names.ts';

type Condition = NonNullable<NonNullable<CertificateSigningRequest['status']>['conditions']>[number];

/** In the order in which Kubernetes lists them. */
const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown';
const MIN_EXPIRATION_SECONDS = 600;

export function checkCertificateSigningRequest(object: CertificateSigningRequest, faults: Faults): void {
  const { request = '', usages = [], signerName = '', expirationSeconds } = object.spec ?? {};
  checkRequest(request, faults);
  if (usages.length === 0) faults.required('spec.usages');
  for (const [index, usage] of usages.entries())
    if (!USAGES.includes(usage)) faults.notSupported(`spec.usages[${index}]`, usage, USAGES);
  for (const [index, usage] of usages.entries())
    if (usages.indexOf(usage) < index) faults.duplicate(`spec.usages[${index}]`, usage);
  if (signerName === LEGACY_SIGNER) {
    const detail = 'the legacy signerName is not allowed via this API version';
    faults.invalid('spec.signerName', signerName, detail);
  } else checkSignerName(signerName, 'spec.signerName', faults);
  if (expirationSeconds !== undefined && expirationSeconds < MIN_EXPIRATION_SECONDS) {
    const detail = `may not specify a duration less than ${MIN_EXPIRATION_SECONDS} seconds (10 minutes)`;
    faults.invalid('spec.expirationSeconds', expirationSeconds, detail);
  }
}

/** Base64 of a PEM block, signed by the key that the certificate is wanted for. */
function checkRequest(request: string, faults: Faults): void {
  try {
    readCertificateRequest(textOf(request));
  } catch (error) {
    if (!(error instanceof CertificateRequestError)) throw error;
    faults.invalid('spec.request', request, error.message);
  }
}

const DOMAIN_MAX = 253;
const SIGNER_NAME_MAX = DOMAIN_MAX + 1 + DOMAIN_MAX + 1 + 63;

/** `example.com/name`. */
export function checkSignerName(name: string, field: string, faults: Faults): void {
  if (!name) {
    faults.required(field);
    return;
  }
  const [domain = '', path, more] = name.split('/');
  if (path === undefined || more !== undefined) {
    const detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    faults.invalid(field, name, detail);
    return;
  }
  if (domain.length > DOMAIN_MAX) faults.tooLong(field, DOMAIN_MAX);
  const labels = domain.split('.');
  checkParts(labels, dnsLabelFaults, { field, value: domain }, faults);
  if (labels.length < 2)
    faults.invalid(field, domain, 'should be a domain with at least two segments separated by dots');
  checkParts(path.split('.'), dnsSubdomainFaults, { field, value: path }, faults);
  if (name.length > SIGNER_NAME_MAX) faults.tooLong(field, SIGNER_NAME_MAX);
}

/** Only the first part at fault is told of: others would say the same. */
function checkParts(
  parts: string[],
  rule: (part: string) => readonly string[],
  { field, value }: { field: string; value: string },
  faults: Faults,
): void {
  const bad = parts.find((part) => rule(part).length > 0);
  if (bad === undefined) return;
  const details = rule(bad).map((fault) => `validating label ${JSON.stringify(bad)}: ${fault}`);
  faults.invalidFor(field, value, details);
}

/** The conditions of one type. */
export function conditionsOf({ status }: CertificateSigningRequest, type: string): Condition[] {
  return (status?.conditions ?? []).filter((condition) => condition.type === type);
}

/** A write to the status by the signer, or to `approval` by who decides. */
export function checkRequestStatus(
  object: CertificateSigningRequest,
  old: CertificateSigningRequest,
  faults: Faults,
  subresource: string,
): void {
  const field = 'status.conditions';
  checkConditions(object.status?.conditions ?? [], faults);
  const [certificate, before] = [object.status?.certificate ?? '', old.status?.certificate ?? ''];
  if (certificate !== before) checkCertificate(certificate, faults);
  for (const type of ['Approved', 'Denied', 'Failed'])
    if (conditionsOf(object, type).length < conditionsOf(old, type).length)
      faults.forbidden(field, `updates may not remove a condition of type "${type}"`);
  if (subresource !== 'approval')
    for (const type of ['Approved', 'Denied'])
      if (conditionsOf(object, type).length > conditionsOf(old, type).length)
        faults.forbidden(field, `updates may not add a condition of type "${type}"`);
  if (before !== '' && certificate !== before)
    faults.forbidden('status.certificate', 'updates may not modify existing certificate content');
}

const DECISIONS = ['Approved', 'Denied'];
const TRUE_ONLY = [...DECISIONS, 'Failed'];

function checkConditions(conditions: Condition[], faults: Faults): void {
  const types: string[] = [];
  for (const [index, { type, status }] of conditions.entries()) {
    const field = `status.conditions[${index}]`;
    if (!type) faults.required(`${field}.type`);
    faults.oneOf(
      `${field}.status`,
      status,
      TRUE_ONLY.includes(type) ? ['True'] : ['False', 'True', 'Unknown'],
    );
    if (DECISIONS.includes(type) && DECISIONS.some((other) => other !== type && types.includes(other)))
      faults.invalid(`${field}.type`, type, 'Approved and Denied conditions are mutually exclusive');
    if (types.includes(type)) faults.duplicate(`${field}.type`, type);
    types.push(type);
  }
}

function checkCertificate(base64: string, faults: Faults): void {
  if (base64 === '') return;
  const fault = certificateFault(textOf(base64));
  if (fault) faults.invalid('status.certificate', '<certificate data>', fault);
}

function certificateFault(pem: string): string | undefined {
  const blocks = pemBlocks(pem);
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  for (const { label, hasHeaders, der } of blocks) {
    if (label !== 'CERTIFICATE')
      return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(label)}`;
    if (hasHeaders) return 'no PEM block headers are permitted';
    if (!isCertificate(der)) return 'x509: malformed certificate';
  }
  return undefined;
}

function isCertificate(der: Buffer): boolean {
  try {
    new X509Certificate(der);
    return true;
  } catch {
    // Whatever the reason: it is no certificate.
    return false;
  }
}

function textOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString('latin1');
}
