import { join } from 'node:path';
import type { AuthorityName, AuthorityState } from '#api/semantics/authorities.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Files } from '#machinery/io.ts';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { isPair } from '#machinery/pki/certificate.ts';
import { AUTHORITY_LIFETIME_MS, crossName, nextKeyName, pkiDirectory } from '#machinery/pki/directory.ts';
import type { Random } from '#machinery/random.ts';

/** The key of an authority is on no server that can be reached. */
export class AuthorityKeyError extends Error {
  override readonly name = 'AuthorityKeyError';
}

/** The certificate (PEM) of a new authority, by itself and by the present one. */
export interface Successor {
  made: string;
  cross?: string;
}

/** A new authority, which nobody trusts yet: its key lies beside that of the present one. */
export async function makeSuccessor(
  files: Files,
  pki: string,
  name: AuthorityName,
  { clock, random }: { clock: Clock; random: Random },
): Promise<Successor> {
  const { crossCertify, makeAuthority } = await import('#machinery/pki/issue.ts');
  // Certificates of one name and two keys confuse whoever looks for the one that signed.
  const commonName = `gantry-${name}-${new Date(clock.now()).toISOString().replace(/\D/g, '').slice(0, 14)}`;
  const { certificate: made, key } = await makeAuthority(commonName, AUTHORITY_LIFETIME_MS, clock, random);
  await files.write(join(pki, nextKeyName(name)), key, 0o600);
  // Who verifies clients and nodes knows both: only servers are met by those who have heard of nothing.
  if (name !== 'server-ca') return { made };
  const present = await pkiDirectory(pki, { files, clock, random }).authority(name, `gantry-${name}`);
  return { made, cross: await crossCertify(present, made, clock, random) };
}

/**
 * Brings the files of a server to the state of that authority in the cluster; false: they are so already. Keys that are not here are taken
 * from `others`, which asks another server. At each moment a key on the disk is that of the first certificate. Throws AuthorityKeyError.
 */
export async function adopt(
  files: Files,
  pki: string,
  name: AuthorityName,
  { bundle, phase, cross }: AuthorityState,
  others: () => Promise<readonly string[]>,
): Promise<boolean> {
  const [first, second] = certificatesIn(bundle);
  const next = phase === 'trust' ? second : undefined;
  const at = (file: string) => join(pki, file);
  const [CERTIFICATES, KEY, NEXT_KEY] = [at(`${name}.crt`), at(`${name}.key`), at(nextKeyName(name))];
  const CROSS = at(crossName(name));
  const [here, key, nextKey, crossHere] = await Promise.all(
    [CERTIFICATES, KEY, NEXT_KEY, CROSS].map((path) => read(files, path)),
  );
  const known = [key, nextKey].filter((one) => one !== undefined);
  const isOf = (certificate: string | undefined) => (one: string | undefined) =>
    certificate !== undefined && one !== undefined && isPair({ certificate, key: one });
  const isKept = next === undefined ? nextKey === undefined : isOf(next)(nextKey);
  if (here === bundle && crossHere === cross && isOf(first)(key) && isKept) return false;
  const wanted = [first, next].filter((one) => one !== undefined);
  if (!wanted.every((one) => known.some(isOf(one)))) known.push(...(await others()));
  const [firstKey, secondKey] = wanted.map((one) => known.find(isOf(one)));
  if (!firstKey || (next !== undefined && !secondKey))
    throw new AuthorityKeyError(`no server that answers has the key of the authority ${name}`);
  if (cross === undefined) await files.remove(CROSS);
  else await files.write(CROSS, cross, 0o600);
  if (!isOf(first)(key)) await files.write(NEXT_KEY, firstKey, 0o600);
  await files.write(CERTIFICATES, bundle, 0o600);
  await files.write(KEY, firstKey, 0o600);
  if (secondKey) await files.write(NEXT_KEY, secondKey, 0o600);
  else await files.remove(NEXT_KEY);
  return true;
}

async function read(files: Files, path: string): Promise<string | undefined> {
  const bytes = await files.read(path);
  return bytes && Buffer.from(bytes).toString();
}
