import 'reflect-metadata';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { addressBytes, parseAddress } from '../values/cidr.ts';
import type { CertificateOrder, KeyAndCertificate, Subject, Usage } from './certificate.ts';

/**
 * Making certificates (X.509, RFC 5280) with ECDSA P-256 keys. Loading this file costs ~25 MB and ~100 ms, so only a
 * dynamic import at the moment something must be issued reaches it (directory.ts); verification needs none of it.
 */
export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Of keys that come from elsewhere. */
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;

/** Clocks of machines differ: a certificate is valid from this long before it is made, or a tenth of its life. */
const BACKDATE_MS = 5 * 60_000;

const EXTENDED_USAGE: Record<Usage, x509.ExtendedKeyUsage> = {
  server: x509.ExtendedKeyUsage.serverAuth,
  client: x509.ExtendedKeyUsage.clientAuth,
};

/** A self-signed CA, which signs leaves and, once, its successor: of a new key, or of `key` (PEM, EC P-256 or RSA). */
export async function makeAuthority(
  commonName: string,
  lifetimeMs: number,
  clock: Clock,
  random: Random,
  key?: string,
): Promise<KeyAndCertificate> {
  const algorithm = key === undefined ? ALGORITHM : algorithmOf(key);
  const keys = key === undefined ? await newKeys() : await importKeys(key, algorithm);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(random),
    name: nameOf({ commonName }),
    ...validity(clock, lifetimeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: await authorityExtensions(keys.publicKey, 1),
  });
  return { certificate: certificate.toString('pem'), key: await privatePem(keys) };
}

/**
 * The CA `successor` (PEM) as certified by `authority`, for as long as that one lasts: who trusts `authority` alone finds by it what its
 * successor signs. It signs leaves only. Source: RFC 4210, 4.4, "Root CA Key Update".
 */
export async function crossCertify(
  authority: KeyAndCertificate,
  successor: string,
  clock: Clock,
  random: Random,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const next = new x509.X509Certificate(successor);
  const publicKey = await next.publicKey.export();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(random),
    subject: next.subjectName,
    issuer: issuer.subjectName,
    ...validity(clock, next.notAfter.getTime() - clock.now(), issuer.notAfter),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      ...(await authorityExtensions(publicKey, 0)),
      await x509.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export()),
    ],
  });
  return certificate.toString('pem');
}

/** `below`: how many CAs there may be between it and a leaf. */
async function authorityExtensions(publicKey: CryptoKey, below: number): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, below, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
}

/** A certificate signed by `authority` for `key` (PKCS #8 PEM), or for a new one. */
export async function issueCertificate(
  authority: KeyAndCertificate,
  order: CertificateOrder,
  clock: Clock,
  random: Random,
  key?: string,
): Promise<KeyAndCertificate> {
  const keys = key === undefined ? await newKeys() : await importKeys(key);
  const certificate = await sign(authority, order, keys.publicKey, clock, random);
  return { certificate, key: await privatePem(keys) };
}

/** A certificate for the key of a request (PKCS #10, PEM), for what `order` says and not what the request does. */
export async function certifyRequest(
  authority: KeyAndCertificate,
  request: string,
  order: CertificateOrder,
  clock: Clock,
  random: Random,
): Promise<string> {
  const { publicKey } = new x509.Pkcs10CertificateRequest(request);
  return `${await sign(authority, order, await publicKey.export(), clock, random)}\n`;
}

async function sign(
  authority: KeyAndCertificate,
  order: CertificateOrder,
  publicKey: CryptoKey,
  clock: Clock,
  random: Random,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(random),
    subject: nameOf(order.subject),
    issuer: issuer.subjectName,
    ...validity(clock, order.lifetimeMs, issuer.notAfter),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(keyUsageOf(order), true),
      new x509.ExtendedKeyUsageExtension(order.usages.map((usage) => EXTENDED_USAGE[usage])),
      await x509.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export()),
      ...alternativeNames(order.subjectAlternativeNames ?? []),
    ],
  });
  return certificate.toString('pem');
}

function keyUsageOf({ keyEncipherment }: CertificateOrder): x509.KeyUsageFlags {
  const { digitalSignature, keyEncipherment: encipherment } = x509.KeyUsageFlags;
  return keyEncipherment ? digitalSignature | encipherment : digitalSignature;
}

export function alternativeNames(names: readonly string[]): x509.Extension[] {
  if (names.length === 0) return [];
  return [
    new x509.SubjectAlternativeNameExtension(
      names.map((value) => (isIP(value) ? { type: 'ip', value: spelledOut(value) } : { type: 'dns', value })),
    ),
  ];
}

/** All groups of an IPv6 address: the library misreads one that ends in an IPv4 address. */
function spelledOut(text: string): string {
  const address = parseAddress(text);
  if (address?.family !== 6) return text;
  return Buffer.from(addressBytes(address)).toString('hex').match(/.{4}/g)!.join(':');
}

/** Typed attributes and never plain strings: those the library reads as syntax (`a"root"` would become `root`). */
export function nameOf(subject: Subject): x509.Name {
  const organizations = (subject.organizations ?? []).map((name) => ({ O: [{ utf8String: name }] }));
  return new x509.Name([...organizations, { CN: [{ utf8String: subject.commonName }] }]);
}

function validity(clock: Clock, lifetimeMs: number, latest?: Date): { notBefore: Date; notAfter: Date } {
  const end = clock.now() + lifetimeMs;
  return {
    notBefore: new Date(clock.now() - Math.min(BACKDATE_MS, lifetimeMs / 10)),
    notAfter: new Date(Math.min(end, latest?.getTime() ?? end)),
  };
}

/** 127 random bits: positive and at most 20 bytes (RFC 5280, 4.1.2.2). */
function serial(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x01;
  return bytes.toString('hex');
}

function newKeys() {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** Both halves: the public one is in the private key. */
export async function importKeys(
  pem: string,
  algorithm: KeyAlgorithm = ALGORITHM,
): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  const privateKey = await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  const publicKey = await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify']);
  return { privateKey, publicKey };
}

type KeyAlgorithm = typeof ALGORITHM | typeof RSA;

function algorithmOf(key: string): KeyAlgorithm {
  return createPrivateKey(key).asymmetricKeyType === 'rsa' ? RSA : ALGORITHM;
}

async function privatePem(keys: { privateKey: CryptoKey }): Promise<string> {
  const der = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}

function importKey(pem: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), ALGORITHM, false, ['sign']);
}
