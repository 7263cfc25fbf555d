import type { Kind } from '#api/kind.ts';

/** The kinds that are served, found by path or by type. */
export class KindIndex {
  readonly all: readonly Kind[];
  readonly #byPath = new Map<string, Kind>();
  readonly #byType = new Map<string, Kind>();

  constructor(kinds: readonly Kind[]) {
    this.all = kinds;
    for (const kind of kinds) {
      this.#byPath.set(`${kind.group}/${kind.version}/${kind.plural}`, kind);
      this.#byType.set(`${kind.group}/${kind.version}/${kind.kind}`, kind);
    }
  }

  at(group: string, version: string, plural: string): Kind | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** `apiVersion` as objects carry it: `v1`, `apps/v1`. */
  ofType(apiVersion: string, kind: string): Kind | undefined {
    return this.#byType.get(`${apiVersion.includes('/') ? '' : '/'}${apiVersion}/${kind}`);
  }

  hasVersion(group: string, version: string): boolean {
    return this.all.some((kind) => kind.group === group && kind.version === version);
  }

  /** Kinds whose objects lie in the store under their own name. */
  get stored(): Kind[] {
    return this.all.filter((kind) => !kind.virtual && !kind.computed && !kind.storedAs);
  }
}
