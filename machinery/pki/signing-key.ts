import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';

/** A new ECDSA P-256 key as PKCS #8 PEM, for ES256 tokens (RFC 7518, 3.4). */
export function makeSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export interface VerificationKey {
  /** base64url SHA-256 of the public key's SubjectPublicKeyInfo, as Kubernetes names its keys. */
  id: string;
  algorithm: 'ES256' | 'RS256';
  publicKey: KeyObject;
}

export interface SigningKey extends VerificationKey {
  privateKey: KeyObject;
}

/** The key of a PKCS #8 PEM; EC P-256 or RSA, so that a key brought from another cluster works too. */
export function signingKeyOf(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem);
  return { ...verificationKeyOf(createPublicKey(privateKey)), privateKey };
}

/** The key by which tokens are verified, without that which signs them. */
export function verificationKeyOf(publicKey: KeyObject): VerificationKey {
  const type = publicKey.asymmetricKeyType;
  if (type !== 'ec' && type !== 'rsa') {
    throw new RangeError(`a service-account signing key must be EC P-256 or RSA, not ${type}`);
  }
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { id, algorithm: type === 'ec' ? 'ES256' : 'RS256', publicKey };
}
