/**
 * Where things lie in the store: `/gantry/<cluster>/v1/<group or core>/<resource>/<namespace>/<name>`, without the
 * namespace for cluster-scoped kinds. Allocation claims and the base of resourceVersions are keys of their own beside them.
 */
export interface KeySpace {
  /** Everything of this cluster. */
  readonly root: string;
  /** Ends in `/`; all objects of a kind, or of one namespace. */
  prefix(kind: KeyKind, namespace?: string): string;
  object(kind: KeyKind, namespace: string | undefined, name: string): string;
  /** `/gantry/<c>/v1/allocations/clusterIP/10.96.0.1`. */
  claim(pool: string, value: string): string;
  readonly claims: string;
  readonly base: string;
  /** There while a restore fills the store. */
  readonly restoring: string;
  /** The wrapped keys of encrypted values. */
  readonly keyRing: string;
  /** Whether the key is an object's, not one of the server's own. */
  isObject(key: string): boolean;
}

export interface KeyKind {
  group: string;
  plural: string;
  namespaced: boolean;
}

export function keySpace(cluster: string): KeySpace {
  const root = `/gantry/${cluster}/v1/`;
  const own = { claims: `${root}allocations/`, base: `${root}base` };
  const marks = { restoring: `${root}restoring`, keyRing: `${root}key-ring` };
  const reserved = new Set([own.base, marks.restoring, marks.keyRing]);
  const prefix = (kind: KeyKind, namespace?: string) => {
    const resource = `${root}${kind.group || 'core'}/${kind.plural}/`;
    return kind.namespaced && namespace ? `${resource}${namespace}/` : resource;
  };
  return {
    root,
    prefix,
    object: (kind, namespace, name) => `${prefix(kind, namespace)}${name}`,
    claim: (pool, value) => `${root}allocations/${pool}/${value}`,
    isObject: (key) => key.startsWith(root) && !key.startsWith(own.claims) && !reserved.has(key),
    ...own,
    ...marks,
  };
}
