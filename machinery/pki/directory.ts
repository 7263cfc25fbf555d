import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Files } from '../io.ts';
import type { Random } from '../random.ts';
import { certificatesIn } from './bundle.ts';
import {
  alternativeNamesOf,
  type CertificateOrder,
  isPair,
  isSignedBy,
  type KeyAndCertificate,
  subjectOf,
  validityOf,
} from './certificate.ts';
import { makeSigningKey } from './signing-key.ts';

/**
 * A directory of keys and certificates: `NAME.crt` and `NAME.key`, mode 0600. What is there and good is used; what is
 * missing, near its end or no longer as ordered is made anew. A key is written before its certificate and the pair is
 * checked on reading, so that a crash between the two writes only means that the pair is made again.
 */
export interface PkiDirectory {
  /** The CA `name`, made at its first use; of several in its file the first. A CA is never replaced silently: an unreadable one is an error. */
  authority(name: string, commonName: string): Promise<KeyAndCertificate>;
  /** All certificates (PEM) in the file of the CA `name`: itself, and others that are trusted beside it. */
  trusted(name: string): Promise<string>;
  /**
   * A certificate of the CA `authorityName` as ordered, re-issued when less than a third of its life is left, or it has twice the life ordered. See IssueOptions.
   */
  certificate(
    name: string,
    authorityName: string,
    order: CertificateOrder,
    more?: IssueOptions,
  ): Promise<KeyAndCertificate>;
  /** The key `name`, which signs no certificates, with one that says how long it is in use; both made where they are missing. */
  signingKey(name: string, commonName: string): Promise<KeyAndCertificate>;
}

export interface IssueOptions {
  /** Called with a new pair before it is there to be read. */
  beforeUse?(made: KeyAndCertificate): Promise<void>;
  /** A renewal is for the same key, for there are those who know it by that; also by the CA that takes the place of another one. */
  keepKey?: boolean;
}

const DAY_MS = 24 * 3_600_000;
export const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS;
/** Leaves live for a year unless somebody says otherwise. */
export const CERTIFICATE_LIFETIME_MS = 365 * DAY_MS;

export interface PkiDeps {
  files: Files;
  clock: Clock;
  random: Random;
}

export function pkiDirectory(path: string, deps: PkiDeps): PkiDirectory {
  const { files, clock, random } = deps;
  const { read, write, existingAuthority, successorKey } = pairFiles(path, files);

  return {
    async authority(name, commonName) {
      const found = await existingAuthority(name);
      if (found) return found;
      const { makeAuthority } = await import('./issue.ts');
      return write(name, await makeAuthority(commonName, AUTHORITY_LIFETIME_MS, clock, random));
    },

    async trusted(name) {
      return (await read(name)).certificate ?? '';
    },

    async certificate(name, authorityName, order, { beforeUse, keepKey } = {}) {
      const authority = await existingAuthority(authorityName);
      if (!authority) throw new Error(`${join(path, authorityName)}.crt is missing: make the CA first`);
      const { certificate, key } = await read(name);
      if (certificate && key && isGood({ certificate, key }, authority, order, clock.now())) {
        return { certificate, key };
      }
      const { issueCertificate } = await import('./issue.ts');
      const trusted = certificatesIn((await read(authorityName)).certificate ?? '');
      const isOurs =
        certificate &&
        key &&
        isPair({ certificate, key }) &&
        trusted.some((one) => isSignedBy(certificate, one));
      const made = await issueCertificate(
        authority,
        order,
        clock,
        random,
        keepKey && isOurs ? key : undefined,
      );
      await beforeUse?.(made);
      return write(name, made);
    },

    async signingKey(name, commonName) {
      const { certificate: text = '', key = makeSigningKey() } = await read(name);
      // One alone that is of another key was left behind by whoever brought that.
      const keys = [key, (await successorKey(name)) ?? key];
      const isStale = certificatesIn(text).length < 2 && !keys.some((one) => isOf(one, text));
      const found = isStale ? undefined : await existingAuthority(name);
      if (found) return found;
      const { makeAuthority } = await import('./issue.ts');
      return write(name, {
        ...(await makeAuthority(commonName, AUTHORITY_LIFETIME_MS, clock, random, key)),
        key,
      });
    },
  };
}

/** Pairs as they are on the disk. */
function pairFiles(path: string, files: Files) {
  async function read(name: string): Promise<Partial<KeyAndCertificate>> {
    const [certificate, key] = await Promise.all([
      files.read(join(path, `${name}.crt`)),
      files.read(join(path, `${name}.key`)),
    ]);
    return { certificate: textOf(certificate), key: textOf(key) };
  }

  async function write(name: string, pair: KeyAndCertificate): Promise<KeyAndCertificate> {
    await files.mkdir(path, 0o700);
    await files.write(join(path, `${name}.key`), pair.key, 0o600);
    await files.write(join(path, `${name}.crt`), pair.certificate, 0o600);
    return pair;
  }

  const successorKey = async (name: string) => textOf(await files.read(join(path, nextKeyName(name))));

  async function existingAuthority(name: string): Promise<KeyAndCertificate | undefined> {
    const { certificate: text, key } = await read(name);
    const [certificate] = certificatesIn(text ?? '');
    if (certificate === undefined) return undefined; // a key alone is what a crash between the writes leaves
    // Its successor's key lies beside its own, until the certificate is the successor's.
    const next = await successorKey(name);
    if (next !== undefined && isOf(next, certificate)) return { certificate, key: next };
    if (key === undefined || !isPair({ certificate, key })) {
      throw new Error(
        `${join(path, name)}.crt has no matching key: restore ${name}.key, or remove both to make a new CA`,
      );
    }
    return { certificate, key };
  }

  return { read, write, existingAuthority, successorKey };
}

/** The key of the authority that is to take the place of `name`. */
export function nextKeyName(name: string): string {
  return `${name}.next.key`;
}

/** The authority `name` as certified by the one whose place it took, while that one is trusted. */
export function crossName(name: string): string {
  return `${name}.cross.crt`;
}

function isOf(key: string, certificate: string): boolean {
  return certificatesIn(certificate).length > 0 && isPair({ certificate, key });
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}

function isGood(
  pair: KeyAndCertificate,
  authority: KeyAndCertificate,
  order: CertificateOrder,
  now: number,
): boolean {
  if (!isPair(pair) || !isSignedBy(pair.certificate, authority.certificate)) return false;
  const { fromMs, untilMs } = validityOf(pair.certificate);
  const lifeMs = untilMs - fromMs;
  if (untilMs - now < lifeMs / 3 || lifeMs > 2 * order.lifetimeMs) return false;
  const subject = subjectOf(Buffer.from(pair.certificate));
  const wanted = order.subject;
  return (
    subject?.commonName === wanted.commonName &&
    sameSet(subject.organizations ?? [], wanted.organizations ?? []) &&
    sameSet(alternativeNamesOf(pair.certificate), order.subjectAlternativeNames ?? [])
  );
}

function sameSet(a: string[], b: string[]): boolean {
  const [left, right] = [a, b].map((names) => new Set(names.map(canonical)));
  return left!.size === right!.size && left!.isSubsetOf(right!);
}

/** IPv6 addresses are written in many ways. */
function canonical(name: string): string {
  return isIP(name) === 6 ? new URL(`http://[${name}]`).hostname : name;
}
