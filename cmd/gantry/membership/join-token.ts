import { X509Certificate } from 'node:crypto';
import { bundleOf, certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy, keyHashOf } from '#machinery/pki/certificate.ts';
import type { Random } from '#machinery/random.ts';

/**
 * What lets a machine join: a bootstrap token and the hash of the cluster's authority, so that the machine knows whom it gives
 * the token to. `ID.SECRET.HASH`. Source: Kubernetes, "Authenticating with Bootstrap Tokens"; kubeadm, --discovery-token-ca-cert-hash.
 */
export interface JoinToken {
  /** 6 characters, no secret. */
  id: string;
  /** 16 characters. */
  secret: string;
  /** Hex SHA-256 of the authority's public key (SubjectPublicKeyInfo). */
  authorityHash: string;
}

const FORM = /^([a-z0-9]{6})\.([a-z0-9]{16})\.([0-9a-f]{64})$/;
const CHARACTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** undefined: it is no token. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [, id, secret, authorityHash] = FORM.exec(text) ?? [];
  return id && secret && authorityHash ? { id, secret, authorityHash } : undefined;
}

export function joinTokenText({ id, secret, authorityHash }: JoinToken): string {
  return `${id}.${secret}.${authorityHash}`;
}

/** What the API takes as a bearer token. */
export function bearerOf({ id, secret }: JoinToken): string {
  return `${id}.${secret}`;
}

export function makeJoinToken(authority: string, random: Random): JoinToken {
  const characters = (count: number) => {
    let text = '';
    // Bytes beyond the last whole alphabet would make some characters likelier.
    while (text.length < count)
      for (const byte of random.bytes(count))
        if (byte < 252 && text.length < count) text += CHARACTERS[byte % CHARACTERS.length];
    return text;
  };
  return { id: characters(6), secret: characters(16), authorityHash: keyHashOf(authority) };
}

/**
 * Of several authorities (PEM) the one with that hash, and the one that takes its place when it has certified that: others, whoever sent
 * them, are not believed. Empty when there is none.
 */
export function authoritiesWith(pem: string, hash: string): string {
  const all = certificatesIn(pem).map((one) => ({ one, key: keyHashOf(one) }));
  const known = all.filter(({ key }) => key === hash);
  // A leaf signs nobody: whoever holds the key of one must not pass for an authority.
  const vouched = all.filter(
    ({ one }) => new X509Certificate(one).ca && known.some((root) => isSignedBy(one, root.one)),
  );
  const keys = new Set([hash, ...vouched.map(({ key }) => key)]);
  const isCross = ({ one, key }: (typeof all)[number]) =>
    !isSignedBy(one, one) && all.some((other) => other.one !== one && other.key === key);
  return bundleOf(all.filter((each) => keys.has(each.key) && !isCross(each)).map(({ one }) => one));
}
