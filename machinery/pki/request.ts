import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { Subject } from './certificate.ts';
import { ALGORITHM, alternativeNames, nameOf } from './issue.ts';

/** A certificate signing request (PKCS #10, PEM) for a key of ours (PKCS #8 PEM), and for DNS names and addresses. Costs as much to load as issue.ts. */
export async function makeCertificateRequest(
  key: string,
  subject: Subject,
  subjectAlternativeNames: readonly string[] = [],
): Promise<string> {
  const privateKey = await crypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(key),
    ALGORITHM,
    true,
    ['sign'],
  );
  // The public half is in the private key.
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await crypto.subtle.importKey('jwk', { kty, crv, x, y }, ALGORITHM, true, ['verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(subject),
    keys: { privateKey, publicKey },
    signingAlgorithm: ALGORITHM,
    extensions: alternativeNames(subjectAlternativeNames),
  });
  return `${request.toString('pem')}\n`;
}
