import type { Op, Store } from '#store/contract.ts';

/**
 * resourceVersion = store revision + base. The base lies in a reserved key and is raised by a restore or a move to another
 * engine, so that resourceVersions never go backwards for clients (design.md, decision 3).
 */
export interface VersionBase {
  base: number;
  /** resourceVersion of a store revision. */
  version(revision: number): number;
  /** Store revision of a resourceVersion; negative when it is older than the last restore. */
  revision(version: number): number;
}

/** The two ways between revisions and resourceVersions, for a base that is a whole number from 0 on. */
export function versionBase(base: number): VersionBase {
  return { base, version: (revision) => revision + base, revision: (version) => version - base };
}

/** Reads the reserved key; a store without one has base 0. */
export async function readBase(store: Store, key: string): Promise<VersionBase> {
  const entry = await store.get(key);
  if (!entry) return versionBase(0);
  const { base } = JSON.parse(Buffer.from(entry.value).toString()) as { base: number };
  if (!Number.isSafeInteger(base) || base < 0)
    throw new Error(
      `the store's key ${key} holds no valid base of resourceVersions: restore it from a backup`,
    );
  return versionBase(base);
}

/** Writes the reserved key. */
export function basePut(key: string, base: number): Op {
  return { op: 'put', key, value: Buffer.from(JSON.stringify({ base })) };
}
