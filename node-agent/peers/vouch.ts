import { boundKeys } from '#api/semantics/node-keys.ts';
import { keyHashOf, subjectOf, validityOf } from '#machinery/pki/certificate.ts';
import { nodeSubject } from '../registration/certificate.ts';

/**
 * The node that a certificate (DER) is of, by the keys that the cluster has bound nodes' names to: `keys` is what NODE_KEYS
 * holds. Who shows the certificate must have proved to hold its key, as in TLS. Undefined: no node of the cluster. No authority
 * is asked: a node is let in by its key alone, and is out as soon as its Node is deleted.
 */
export function nodeOfCertificate(
  certificate: Uint8Array,
  keys: Record<string, string> | undefined,
  nowMs: number,
): string | undefined {
  const subject = subjectOf(certificate);
  const node = Object.keys(keys ?? {}).find((name) => nodeSubject(name).commonName === subject?.commonName);
  const bound = node === undefined ? undefined : boundKeys(keys, node);
  if (!bound || bound.removedMs !== undefined || !bound.keys.includes(keyHashOf(certificate)))
    return undefined;
  const { fromMs, untilMs } = validityOf(certificate);
  // Clocks of nodes differ a little.
  const isValid = nowMs >= fromMs - CLOCK_SKEW_MS && nowMs <= untilMs + CLOCK_SKEW_MS;
  return isValid ? node : undefined;
}

const CLOCK_SKEW_MS = 5 * 60_000;
