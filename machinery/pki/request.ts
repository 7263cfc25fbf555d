import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { Subject } from './certificate.ts';
import { ALGORITHM, alternativeNames, importKeys, nameOf } from './issue.ts';

/** A certificate signing request (PKCS #10, PEM) for a key of ours (PKCS #8 PEM), and for DNS names and addresses. Costs as much to load as issue.ts. */
export async function makeCertificateRequest(
  key: string,
  subject: Subject,
  subjectAlternativeNames: readonly string[] = [],
): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(subject),
    keys: await importKeys(key),
    signingAlgorithm: ALGORITHM,
    extensions: alternativeNames(subjectAlternativeNames),
  });
  return `${request.toString('pem')}\n`;
}
