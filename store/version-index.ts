import type { Revision } from './contract.ts';
import { SortedKeys } from './sorted-keys.ts';

/** The state of a key from a revision on. */
export interface Version {
  revision: Revision;
  /** The key was deleted then. */
  gone: boolean;
}

/** All versions of all keys that can still be read, by key and revision. */
export class VersionIndex<V extends Version> {
  readonly #keys = new SortedKeys();
  /** Of each key, oldest first. */
  readonly #versions = new Map<string, V[]>();

  /** The newest version of a key that is there. */
  newest(key: string): V | undefined {
    const version = this.#versions.get(key)?.at(-1);
    return version?.gone ? undefined : version;
  }

  /** The version of a key at a revision, if it was there then. */
  at(key: string, revision: Revision): V | undefined {
    return versionAt(this.#versions.get(key), revision);
  }

  /** A newer version than all others of its key. */
  add(key: string, version: V): void {
    const versions = this.#versions.get(key);
    if (versions) versions.push(version);
    else {
      this.#versions.set(key, [version]);
      this.#keys.add(key);
    }
  }

  /** Forgets one version; the key with its last one. */
  remove(key: string, version: V): void {
    const versions = this.#versions.get(key);
    const at = versions?.indexOf(version) ?? -1;
    if (!versions || at < 0) return;
    if (versions.length > 1) versions.splice(at, 1);
    else {
      this.#versions.delete(key);
      this.#keys.delete(key);
    }
  }

  /** Keys under `prefix` and after `after` with their versions at `revision`, in order of key. */
  *list(prefix: string, after: string | undefined, revision: Revision): Iterable<[key: string, version: V]> {
    const start = after !== undefined && after >= prefix ? after : prefix;
    for (const key of this.#keys.from(start)) {
      if (!key.startsWith(prefix)) return;
      const version = key === after ? undefined : this.at(key, revision);
      if (version) yield [key, version];
    }
  }

  /** The newest versions of all keys that are there, in no order. */
  *live(): Iterable<[key: string, version: V]> {
    for (const [key, versions] of this.#versions) {
      const version = versions.at(-1)!;
      if (!version.gone) yield [key, version];
    }
  }
}

function versionAt<V extends Version>(versions: readonly V[] | undefined, revision: Revision): V | undefined {
  const version = versions?.findLast((one) => one.revision <= revision);
  return version?.gone ? undefined : version;
}
