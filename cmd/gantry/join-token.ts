import { X509Certificate } from 'node:crypto';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { pemBlocks } from '#machinery/pki/pem.ts';
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

/** Of several authorities (PEM) those with that hash: others, whoever sent them, are not believed. */
export function authoritiesWith(pem: string, hash: string): string {
  const blocks = pemBlocks(pem).filter(({ label }) => label === 'CERTIFICATE');
  return blocks
    .map(({ der }) => new X509Certificate(der).toString())
    .filter((one) => keyHashOf(one) === hash)
    .join('');
}
