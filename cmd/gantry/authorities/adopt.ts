import { join } from 'node:path';
import type { AuthorityState } from '#api/semantics/authorities.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Files } from '#machinery/io.ts';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { isPair } from '#machinery/pki/certificate.ts';
import { AUTHORITY_LIFETIME_MS, nextKeyName } from '#machinery/pki/directory.ts';
import type { Random } from '#machinery/random.ts';

/** The authority whose successor can be made. */
export const AUTHORITY = 'server-ca';
const CERTIFICATES = `${AUTHORITY}.crt`;
const KEY = `${AUTHORITY}.key`;
const NEXT_KEY = nextKeyName(AUTHORITY);

/** The key of an authority is on no server that can be reached. */
export class AuthorityKeyError extends Error {
  override readonly name = 'AuthorityKeyError';
}

/** A new authority: its key lies beside that of the present one; gives its certificate (PEM), which nobody trusts yet. */
export async function makeSuccessor(
  files: Files,
  pki: string,
  { clock, random }: { clock: Clock; random: Random },
): Promise<string> {
  const { makeAuthority } = await import('#machinery/pki/issue.ts');
  // Certificates of one name and two keys confuse whoever looks for the one that signed.
  const commonName = `gantry-${AUTHORITY}-${new Date(clock.now()).toISOString().replace(/\D/g, '').slice(0, 14)}`;
  const made = await makeAuthority(commonName, AUTHORITY_LIFETIME_MS, clock, random);
  await files.write(join(pki, NEXT_KEY), made.key, 0o600);
  return made.certificate;
}

/**
 * Brings the files of a server to the authorities of the cluster; false: they are so already. Keys that are not here are taken from
 * `others`, which asks another server. At each moment a key on the disk is that of the first certificate. Throws AuthorityKeyError.
 */
export async function adopt(
  files: Files,
  pki: string,
  { bundle, phase }: AuthorityState,
  others: () => Promise<readonly string[]>,
): Promise<boolean> {
  const [first, second] = certificatesIn(bundle);
  const next = phase === 'trust' ? second : undefined;
  const names = [CERTIFICATES, KEY, NEXT_KEY];
  const [here, key, nextKey] = await Promise.all(names.map((name) => read(files, pki, name)));
  const known = [key, nextKey].filter((one) => one !== undefined);
  const isOf = (certificate: string | undefined) => (one: string | undefined) =>
    certificate !== undefined && one !== undefined && isPair({ certificate, key: one });
  const isKept = next === undefined ? nextKey === undefined : isOf(next)(nextKey);
  if (here === bundle && isOf(first)(key) && isKept) return false;
  const wanted = [first, next].filter((one) => one !== undefined);
  if (!wanted.every((one) => known.some(isOf(one)))) known.push(...(await others()));
  const [firstKey, secondKey] = wanted.map((one) => known.find(isOf(one)));
  if (!firstKey || (next !== undefined && !secondKey))
    throw new AuthorityKeyError('no server that answers has the key of the authority');
  if (!isOf(first)(key)) await files.write(join(pki, NEXT_KEY), firstKey, 0o600);
  await files.write(join(pki, CERTIFICATES), bundle, 0o600);
  await files.write(join(pki, KEY), firstKey, 0o600);
  if (secondKey) await files.write(join(pki, NEXT_KEY), secondKey, 0o600);
  else await files.remove(join(pki, NEXT_KEY));
  return true;
}

async function read(files: Files, pki: string, name: string): Promise<string | undefined> {
  const bytes = await files.read(join(pki, name));
  return bytes && Buffer.from(bytes).toString();
}
