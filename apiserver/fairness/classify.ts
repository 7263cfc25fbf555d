/**
 * Which flow schema a request belongs to. Whom a schema is about is asked once for an identity, for the identity of a
 * connection is one object. Source: Kubernetes, "API Priority and Fairness", FlowSchema.
 */
import type { Identity } from '#machinery/transport.ts';
import type { RequestInfo } from '../contract.ts';
import type { FlowSchema, PolicyRules } from './configuration.ts';

interface Candidate {
  schema: FlowSchema;
  rules: PolicyRules[];
}

export class Classifier {
  readonly #schemas: readonly FlowSchema[];
  readonly #fallback: FlowSchema;
  readonly #candidates = new WeakMap<Identity, readonly Candidate[]>();

  /** `fallback` takes requests that nothing else is about. */
  constructor(schemas: readonly FlowSchema[], fallback: FlowSchema) {
    this.#fallback = fallback;
    this.#schemas = [...schemas].sort((a, b) => precedence(a) - precedence(b) || (a.name < b.name ? -1 : 1));
  }

  classify(identity: Identity, info: RequestInfo): FlowSchema {
    for (const { schema, rules } of this.#candidatesOf(identity))
      for (const each of rules) if (isAbout(each, info)) return schema;
    return this.#fallback;
  }

  #candidatesOf(identity: Identity): readonly Candidate[] {
    const known = this.#candidates.get(identity);
    if (known) return known;
    const found: Candidate[] = [];
    for (const schema of this.#schemas) {
      const rules = (schema.spec.rules ?? []).filter(({ subjects }) =>
        subjects.some((subject) => isSubject(subject, identity)),
      );
      if (rules.length > 0) found.push({ schema, rules });
    }
    this.#candidates.set(identity, found);
    return found;
  }
}

/** What tells the flows of a schema apart. */
export function distinguisherOf({ spec }: FlowSchema, identity: Identity, info: RequestInfo): string {
  if (!spec.distinguisherMethod) return '';
  return spec.distinguisherMethod.type === 'ByUser' ? identity.name : info.namespace;
}

const DEFAULT_PRECEDENCE = 1000;

function precedence({ spec }: FlowSchema): number {
  return spec.matchingPrecedence ?? DEFAULT_PRECEDENCE;
}

function isSubject(
  { user, group, serviceAccount }: PolicyRules['subjects'][number],
  identity: Identity,
): boolean {
  if (user) return user.name === '*' || user.name === identity.name;
  if (group) return group.name === '*' || identity.groups.includes(group.name);
  if (!serviceAccount) return false;
  const prefix = `system:serviceaccount:${serviceAccount.namespace}:`;
  if (serviceAccount.name === '*') return identity.name.startsWith(prefix);
  return identity.name === prefix + serviceAccount.name;
}

function isAbout({ resourceRules, nonResourceRules }: PolicyRules, info: RequestInfo): boolean {
  if (!info.isResource)
    return (nonResourceRules ?? []).some(
      ({ verbs, nonResourceURLs }) =>
        has(verbs, info.verb) && nonResourceURLs.some((url) => covers(url, info.path)),
    );
  return (resourceRules ?? []).some(
    ({ verbs, apiGroups, resources, namespaces, clusterScope }) =>
      has(verbs, info.verb) &&
      has(apiGroups, info.group) &&
      hasResource(resources, info) &&
      (info.namespace === '' ? clusterScope === true : has(namespaces ?? [], info.namespace)),
  );
}

function has(list: readonly string[], value: string): boolean {
  return list[0] === '*' || list.includes(value);
}

function hasResource(list: readonly string[], { resource, subresource }: RequestInfo): boolean {
  return list[0] === '*' || list.includes(subresource ? `${resource}/${subresource}` : resource);
}

/** `/healthz` is also about `/healthz/ping`. */
function covers(url: string, path: string): boolean {
  if (url === '*' || url === path) return true;
  const stem = url.endsWith('*') ? url.slice(0, -1) : url;
  return path.startsWith(stem.endsWith('/') ? stem : `${stem}/`);
}
