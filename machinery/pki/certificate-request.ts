/** Reading and verifying certificate requests (PKCS #10, RFC 2986). Making certificates of them is in issue.ts. */
import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type AlternativeNames, requestedNames } from './alternative-names.ts';
import {
  type DerElement,
  DerError,
  elementsOf,
  expectTag,
  objectIdentifierOf,
  onlyElement,
  stringOf,
  TAG,
} from './der.ts';
import { pemBlocks } from './pem.ts';

export interface CertificateRequest {
  /** CN and O of the subject: in Kubernetes the user name and the groups. */
  commonName: string;
  organizations: string[];
  /** Whom else the certificate is to name. */
  alternativeNames: AlternativeNames;
  /** Hex SHA-256 of the key to be certified (SubjectPublicKeyInfo). */
  keyHash: string;
}

/** A request that cannot be read, or whose signature is not of its own key. Worded as Go's crypto/x509 does. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError';
}

/**
 * The request in the first PEM block of `pem`, whose signature proves that the sender holds the key. Throws
 * CertificateRequestError.
 */
export function readCertificateRequest(pem: string): CertificateRequest {
  const [block] = pemBlocks(pem);
  if (block?.label !== 'CERTIFICATE REQUEST')
    throw new CertificateRequestError('PEM block type must be CERTIFICATE REQUEST');
  try {
    return readDer(block.der);
  } catch (error) {
    throw error instanceof DerError ? new CertificateRequestError(error.message) : error;
  }
}

function readDer(der: Buffer): CertificateRequest {
  const [info, algorithm, signature] = elementsOf(onlyElement(der, TAG.sequence).content);
  const [, subject, publicKey, attributes] = elementsOf(expectTag(info, TAG.sequence).content);
  // The first byte of a bit string counts the bits at its end that say nothing: none in a signature.
  const signed = expectTag(signature, TAG.bitString).content.subarray(1);
  const key = keyOf(expectTag(publicKey, TAG.sequence));
  checkSignature(expectTag(algorithm, TAG.sequence), key, info!.whole, signed);
  const keyHash = createHash('sha256').update(publicKey!.whole).digest('hex');
  const alternativeNames = requestedNames(attributes);
  return { ...subjectOf(expectTag(subject, TAG.sequence)), alternativeNames, keyHash };
}

function keyOf(publicKey: DerElement): KeyObject {
  try {
    return createPublicKey({ key: publicKey.whole, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new CertificateRequestError('x509: unknown public key algorithm', { cause });
  }
}

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';

function subjectOf(name: DerElement): Pick<CertificateRequest, 'commonName' | 'organizations'> {
  const found: Pick<CertificateRequest, 'commonName' | 'organizations'> = {
    commonName: '',
    organizations: [],
  };
  for (const relative of elementsOf(name.content))
    for (const attribute of elementsOf(expectTag(relative, TAG.set).content)) {
      const [type, value] = elementsOf(expectTag(attribute, TAG.sequence).content);
      const id = objectIdentifierOf(type);
      if (!value) throw new DerError('asn1: syntax error: sequence truncated');
      if (id === COMMON_NAME) found.commonName = stringOf(value);
      if (id === ORGANIZATION) found.organizations.push(stringOf(value));
    }
  return found;
}

type Family = 'rsa' | 'rsa-pss' | 'ec' | 'ed25519';

/** Signature algorithms by object identifier. Source: RFC 8017, RFC 5758, RFC 8410. */
const ALGORITHMS: Record<string, { family: Family; hash?: string }> = {
  '1.2.840.113549.1.1.5': { family: 'rsa', hash: 'sha1' },
  '1.2.840.113549.1.1.11': { family: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { family: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { family: 'rsa', hash: 'sha512' },
  '1.2.840.113549.1.1.10': { family: 'rsa-pss' },
  '1.2.840.10045.4.1': { family: 'ec', hash: 'sha1' },
  '1.2.840.10045.4.3.2': { family: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { family: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { family: 'ec', hash: 'sha512' },
  '1.3.101.112': { family: 'ed25519' },
};

/** Hashes that RSASSA-PSS names in its parameters. */
const PSS_HASHES: Record<string, string> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

const FAILURES: Record<Family, string> = {
  rsa: 'crypto/rsa: verification error',
  'rsa-pss': 'crypto/rsa: verification error',
  ec: 'x509: ECDSA verification failure',
  ed25519: 'x509: Ed25519 verification failure',
};

function checkSignature(algorithm: DerElement, key: KeyObject, data: Buffer, signature: Buffer): void {
  const [id, parameters] = elementsOf(algorithm.content);
  const known = ALGORITHMS[objectIdentifierOf(id)];
  const hash = known?.family === 'rsa-pss' ? pssHash(parameters) : known?.hash;
  if (!known || (hash === undefined && known.family !== 'ed25519'))
    throw new CertificateRequestError('x509: cannot verify signature: algorithm unimplemented');
  const isOfKey =
    known.family === key.asymmetricKeyType || (known.family === 'rsa-pss' && key.asymmetricKeyType === 'rsa');
  if (!isOfKey)
    throw new CertificateRequestError(
      `x509: signature algorithm specifies an ${known.family} public key, but have public key of type ${key.asymmetricKeyType}`,
    );
  const padding = known.family === 'rsa-pss' ? { key, padding: constants.RSA_PKCS1_PSS_PADDING } : { key };
  if (!verify(hash ?? null, data, padding, signature))
    throw new CertificateRequestError(FAILURES[known.family]);
}

/** The hash in RSASSA-PSS-params: `[0] { hash AlgorithmIdentifier }`. Without one it would be SHA-1, which is not taken. */
function pssHash(parameters: DerElement | undefined): string | undefined {
  const [first] = elementsOf(expectTag(parameters, TAG.sequence).content);
  if (first?.tag !== TAG.context0) return undefined;
  const [id] = elementsOf(onlyElement(first.content, TAG.sequence).content);
  return PSS_HASHES[objectIdentifierOf(id)];
}
