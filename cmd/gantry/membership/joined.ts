import { join } from 'node:path';
import { type ClusterSettings, clusterSettingsData, parseClusterSettings } from '#api/cluster-settings.ts';
import type { Files } from '#machinery/io.ts';
import { isPair, type KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { pemBlocks } from '#machinery/pki/pem.ts';
import type { Paths } from '../paths.ts';
import { readVersioned } from '../versioned-file.ts';

/** What a machine that has joined a cluster keeps of it: `joined.json`, the cluster's authority, and its own certificate. */
export interface Joined {
  /** `https://HOST:6443`, as it was given to join. */
  server: string;
  nodeName: string;
  /** Hex SHA-256 of the authority's public key, as the token had it. */
  authorityHash: string;
  settings: ClusterSettings;
}

const VERSION = 1;

export function joinedPath({ root }: Paths): string {
  return join(root, 'joined.json');
}

/** undefined: the machine has joined none. Throws for a file of a newer version, and a damaged one. */
export async function readJoined(files: Files, paths: Paths): Promise<Joined | undefined> {
  return readVersioned(files, joinedPath(paths), VERSION, ({ settings, ...rest }) => ({
    ...rest,
    settings: parseClusterSettings(settings),
  }));
}

export async function writeJoined(files: Files, paths: Paths, joined: Joined): Promise<void> {
  const { settings, ...rest } = joined;
  const text = JSON.stringify(
    { version: VERSION, ...rest, settings: clusterSettingsData(settings) },
    null,
    2,
  );
  await files.write(joinedPath(paths), `${text}\n`, 0o600);
}

export function authorityPath({ pki }: Paths): string {
  return join(pki, 'server-ca.crt');
}

/** Key and certificate in one file: a renewal replaces both at once, or none. */
function pairPath({ pki }: Paths, nodeName: string): string {
  return join(pki, `node-${nodeName}.pem`);
}

/** undefined: there is none, or what is there is of no use. */
export async function readPair(
  files: Files,
  paths: Paths,
  nodeName: string,
): Promise<KeyAndCertificate | undefined> {
  const bytes = await files.read(pairPath(paths, nodeName));
  const text = bytes ? Buffer.from(bytes).toString() : '';
  const at = text.indexOf('-----BEGIN CERTIFICATE-----');
  const pair = { key: text.slice(0, Math.max(at, 0)), certificate: text.slice(at) };
  return pemBlocks(text).length >= 2 && at > 0 && isPair(pair) ? pair : undefined;
}

export async function writePair(
  files: Files,
  paths: Paths,
  nodeName: string,
  { key, certificate }: KeyAndCertificate,
): Promise<void> {
  await files.mkdir(paths.pki, 0o700);
  await files.write(pairPath(paths, nodeName), `${key.trimEnd()}\n${certificate.trimEnd()}\n`, 0o600);
}
