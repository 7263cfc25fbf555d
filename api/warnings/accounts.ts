/** Secrets and service accounts. Source: Kubernetes, the strategies in pkg/registry/core; Go, crypto/tls X509KeyPair. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Secret, ServiceAccount } from '../objects.ts';

const MOUNTABLE = 'kubernetes.io/enforce-mountable-secrets';

export function serviceAccountWarnings({ metadata }: ServiceAccount, old?: ServiceAccount): string[] {
  if (old?.metadata.annotations?.[MOUNTABLE] !== undefined) return [];
  if (metadata.annotations?.[MOUNTABLE] === undefined) return [];
  return [
    `metadata.annotations[${MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
  ];
}

/** Whether key and certificate of a TLS secret can be read and belong together. */
export function secretWarnings({ type, data = {} }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('latin1');
  const fault = keyPairFault(text('tls.crt'), text('tls.key'));
  return fault === undefined ? [] : [`tls: ${fault}`];
}

const PEM = /-----BEGIN ([^-\n]+)-----\r?\n[\s\S]*?-----END \1-----/g;

/** Types and texts of the blocks of a PEM file. */
function blocksOf(text: string): { type: string; pem: string }[] {
  return [...text.matchAll(PEM)].map(([pem, type]) => ({ type: type!, pem }));
}

/** In the words of Go. */
function keyPairFault(certificates: string, keys: string): string | undefined {
  const certificateBlocks = blocksOf(certificates);
  const certificate = certificateBlocks.find(({ type }) => type === 'CERTIFICATE');
  if (!certificate) return certificateFault(certificateBlocks.map(({ type }) => type));
  const keyBlocks = blocksOf(keys);
  const key = keyBlocks.find(({ type }) => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY'));
  if (!key) return keyFault(keyBlocks.map(({ type }) => type));
  const privateKey = read(() => createPrivateKey(key.pem));
  if (!privateKey) return 'failed to parse private key';
  const x509 = read(() => new X509Certificate(certificate.pem));
  return x509 && matchFault(x509, privateKey);
}

function certificateFault(types: string[]): string {
  if (types.length === 0) return 'failed to find any PEM data in certificate input';
  if (types.length === 1 && types[0]!.endsWith('PRIVATE KEY'))
    return 'failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  return `failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function keyFault(types: string[]): string {
  if (types.length === 0) return 'failed to find any PEM data in key input';
  if (types.length === 1 && types[0] === 'CERTIFICATE')
    return 'found a certificate rather than a key in the PEM for the private key';
  return `failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function matchFault(x509: X509Certificate, key: KeyObject): string | undefined {
  if (x509.publicKey.asymmetricKeyType !== key.asymmetricKeyType)
    return 'private key type does not match public key type';
  return x509.checkPrivateKey(key) ? undefined : 'private key does not match public key';
}

/** Undefined for what OpenSSL cannot read: it throws errors of many kinds, all with a code. */
function read<T>(how: () => T): T | undefined {
  try {
    return how();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}
