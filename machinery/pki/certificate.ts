import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';

/** Shapes of certificates, and reading them with node:crypto. Making them is in issue.ts, which is heavy to load. */

export interface KeyAndCertificate {
  /** PEM; followed by no chain: every CA here is a root. */
  certificate: string;
  /** PKCS #8 PEM. */
  key: string;
}

export interface Subject {
  /** In Kubernetes the user name. */
  commonName: string;
  /** In Kubernetes the groups. */
  organizations?: string[];
}

export type Usage = 'server' | 'client';

export interface CertificateOrder {
  subject: Subject;
  usages: Usage[];
  /** Besides signing: for the key exchange of TLS 1.2 with RSA. */
  keyEncipherment?: boolean;
  /** DNS names and IP addresses, told apart by their form. */
  subjectAlternativeNames?: string[];
  /** How long it is valid, in ms. */
  lifetimeMs: number;
}

/** CN and O of a certificate, undefined when it has no single CN: such a certificate names nobody. */
export function subjectOf(der: Uint8Array): Subject | undefined {
  const fields = new X509Certificate(der).toLegacyObject().subject as unknown as Record<
    string,
    string | string[] | undefined
  >;
  const commonName = fields['CN'];
  if (typeof commonName !== 'string' || commonName === '') return undefined;
  const organizations = fields['O'] ?? [];
  return { commonName, organizations: Array.isArray(organizations) ? organizations : [organizations] };
}

/** Start and end of validity in ms. */
export function validityOf(certificate: string | Uint8Array): { fromMs: number; untilMs: number } {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { fromMs: validFromDate.getTime(), untilMs: validToDate.getTime() };
}

/** Hex SHA-256 of the certified key (SubjectPublicKeyInfo): the same for every certificate of a key. */
export function keyHashOf(certificate: string | Uint8Array): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('hex');
}

/** DNS names and addresses of a certificate, in their order. */
export function alternativeNamesOf(certificate: string): string[] {
  const names = new X509Certificate(certificate).subjectAltName ?? '';
  return names
    .split(', ')
    .filter((name) => name !== '')
    .map((name) => name.replace(/^(DNS|IP Address):/, ''));
}

/** Whether the key belongs to the certificate. */
export function isPair(pair: KeyAndCertificate): boolean {
  return new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key));
}

/** Whether `certificate` bears the signature of the CA `authority` (both PEM). Validity in time is not looked at. */
export function isSignedBy(certificate: string, authority: string): boolean {
  const issuer = new X509Certificate(authority);
  const subject = new X509Certificate(certificate);
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}
