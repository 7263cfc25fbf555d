import { createHash, X509Certificate } from 'node:crypto';
import { pemBlocks } from './pem.ts';

/** Several authorities in one text, the one that issues first: who trusts the text trusts each of them. */

/** The certificates (PEM, without a line end) in their order; what is none is passed over. */
export function certificatesIn(text: string): string[] {
  const blocks = pemBlocks(text).filter(({ label }) => label === 'CERTIFICATE');
  return blocks.map(({ der }) => new X509Certificate(der).toString().trimEnd());
}

export function bundleOf(certificates: readonly string[]): string {
  return certificates.map((one) => `${one.trimEnd()}\n`).join('');
}

/** Hex SHA-256 of the certificates, in their order; however the text is written. */
export function bundleHash(text: string): string {
  const hash = createHash('sha256');
  for (const one of certificatesIn(text)) hash.update(new X509Certificate(one).raw);
  return hash.digest('hex');
}
