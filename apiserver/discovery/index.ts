/** What the server serves, for clients to find. Source: Kubernetes API concepts, "Discovery API" and "Aggregated discovery". */
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { parseAccept } from '../encoding/negotiate.ts';
import type { KindIndex } from '../engine/kind-index.ts';
import { verbsOf } from '../resources/verbs.ts';

interface Resource {
  name: string;
  singularName: string;
  namespaced: boolean;
  kind: string;
  group?: string;
  version?: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
}

interface GroupVersion {
  group: string;
  version: string;
  kinds: Kind[];
}

/** Every answer of discovery, made once: the kinds do not change while the server runs. */
export class Discovery {
  readonly #groups: GroupVersion[];

  constructor(index: KindIndex) {
    const groups = new Map<string, GroupVersion>();
    for (const kind of index.all) {
      const key = apiVersionOf(kind);
      const found = groups.get(key) ?? { group: kind.group, version: kind.version, kinds: [] };
      found.kinds.push(kind);
      groups.set(key, found);
    }
    this.#groups = [...groups.values()];
  }

  /** The document of a path (without a slash at its end), or undefined when discovery does not serve it. */
  document(path: string, accept: string, address: string): { contentType: string; body: object } | undefined {
    if (path === '/api' || path === '/apis') {
      const version = aggregatedVersion(accept);
      if (version) return this.#aggregated(path === '/api', version);
      return json(path === '/api' ? legacyVersions(address) : this.#groupList());
    }
    const parts = path.split('/');
    if (parts[1] === 'api' && parts.length === 3) return this.#resources('', parts[2]!);
    if (parts[1] !== 'apis') return undefined;
    if (parts.length === 4) return this.#resources(parts[2]!, parts[3]!);
    if (parts.length !== 3) return undefined;
    const group = this.#groupObjects().find(({ name }) => name === parts[2]);
    return group && json({ kind: 'APIGroup', apiVersion: 'v1', ...group });
  }

  #groupObjects() {
    const named = this.#groups.filter(({ group }) => group !== '');
    return [...new Set(named.map(({ group }) => group))].map((name) => {
      const versions = named
        .filter(({ group }) => group === name)
        .map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
      return { name, versions, preferredVersion: versions[0] };
    });
  }

  #groupList(): object {
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: this.#groupObjects() };
  }

  #resources(group: string, version: string): { contentType: string; body: object } | undefined {
    const found = this.#groups.find((each) => each.group === group && each.version === version);
    if (!found) return undefined;
    const groupVersion = group ? `${group}/${version}` : version;
    const resources = found.kinds.flatMap(resourcesOf);
    return json({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources });
  }

  #aggregated(core: boolean, version: 'v2' | 'v2beta1'): { contentType: string; body: object } {
    const names = [...new Set(this.#groups.map(({ group }) => group))].filter(
      (name) => (name === '') === core,
    );
    const items = names.map((name) => ({
      metadata: core ? { creationTimestamp: null } : { name, creationTimestamp: null },
      versions: this.#groups
        .filter(({ group }) => group === name)
        .map((each) => ({
          version: each.version,
          resources: each.kinds.map(aggregatedOf),
          freshness: 'Current',
        })),
    }));
    return {
      contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      body: {
        kind: 'APIGroupDiscoveryList',
        apiVersion: `apidiscovery.k8s.io/${version}`,
        metadata: {},
        items,
      },
    };
  }
}

function json(body: object): { contentType: string; body: object } {
  return { contentType: 'application/json', body };
}

/** The aggregated version asked for before plain JSON. */
function aggregatedVersion(accept: string): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    const { g, v, as } = parameters;
    if (type !== 'application/json') continue;
    if (as === undefined) return undefined;
    if (as === 'APIGroupDiscoveryList' && g === 'apidiscovery.k8s.io' && (v === 'v2' || v === 'v2beta1'))
      return v;
  }
  return undefined;
}

function legacyVersions(address: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
  };
}

/** A kind and its subresources. */
function resourcesOf(kind: Kind): Resource[] {
  const { plural, namespaced } = kind;
  const main: Resource = {
    name: plural,
    singularName: kind.singular,
    namespaced,
    kind: kind.kind,
    verbs: [...verbsOf(kind)].sort(),
    ...(kind.shortNames && { shortNames: kind.shortNames }),
    ...(kind.categories && { categories: kind.categories }),
  };
  return [main, ...subresourcesOf(kind)];
}

const STATUS_VERBS = ['get', 'patch', 'update'];

function subresourcesOf(kind: Kind): Resource[] {
  const { plural, namespaced, subresources } = kind;
  const at = (name: string) => ({ name: `${plural}/${name}`, singularName: '', namespaced });
  const list: Resource[] = (subresources?.others ?? []).map(
    ({ name, kind: type, group, version, verbs }) => ({
      ...at(name),
      ...(group && { group, version }),
      kind: type,
      verbs,
    }),
  );
  if (subresources?.scale)
    list.push({ ...at('scale'), group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: STATUS_VERBS });
  if (subresources?.status) list.push({ ...at('status'), kind: kind.kind, verbs: STATUS_VERBS });
  return list.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function aggregatedOf(kind: Kind): object {
  const own = { group: kind.group, version: kind.version };
  const [main, ...subresources] = resourcesOf(kind);
  return {
    resource: main!.name,
    responseKind: { ...own, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: main!.verbs,
    ...(kind.shortNames && { shortNames: kind.shortNames }),
    ...(kind.categories && { categories: kind.categories }),
    ...(subresources.length > 0 && {
      subresources: subresources.map((each) => ({
        subresource: each.name.slice(each.name.indexOf('/') + 1),
        responseKind: {
          group: each.group ?? own.group,
          version: each.version ?? own.version,
          kind: each.kind,
        },
        verbs: each.verbs,
      })),
    }),
  };
}
