import { ClusterRoleKind } from '#api/kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '#api/kinds/cluster-role-binding.ts';
import { RoleKind } from '#api/kinds/role.ts';
import { RoleBindingKind } from '#api/kinds/role-binding.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  RbacSubject,
  Role,
  RoleBinding,
} from '#api/objects.ts';
import type { Identity } from '#machinery/transport.ts';
import { matchesLabelSelector } from '#machinery/values/selector.ts';
import type { AuthorizationAttributes, Authorizer, Decision, ObjectReader } from '../contract.ts';
import { ruleAllows } from './rules.ts';

/**
 * RBAC in memory. Bindings are indexed by subject, and within it by namespace, so that a decision looks only at what
 * names the user or one of its groups; roles are looked up when asked, so that a change of a role needs no rebuild.
 * Source: rbac.authorization.k8s.io/v1.
 */
export interface RbacAuthorizer extends Authorizer {
  /** Every rule the identity holds in `namespace` ('' = only what holds cluster-wide). */
  rulesOf(identity: Identity, namespace: string): PolicyRule[];
  /** The rules of a role that a binding refers to; undefined when there is no such role. */
  rulesOfRole(ref: { kind: string; name: string }, namespace: string): PolicyRule[] | undefined;
  /** Stops following changes. */
  close(): void;
}

interface Grant {
  /** Of the binding, for the reason in the audit log. */
  source: string;
  role: { kind: string; name: string };
  namespace: string;
}

/** Cluster-wide grants are kept under this namespace, which no object can have. */
const EVERYWHERE = '';

export function rbacAuthorizer(objects: ObjectReader): RbacAuthorizer {
  const roles = new Map<string, PolicyRule[]>();
  const clusterRoles = new Map<string, ClusterRole>();
  const aggregated = new Map<string, PolicyRule[]>();
  const grants = new GrantIndex();

  const stops = [
    objects.onChange<Role>(RoleKind, (key, role) => {
      if (role) roles.set(key, role.rules ?? []);
      else roles.delete(key);
    }),
    objects.onChange<ClusterRole>(ClusterRoleKind, (key, role) => {
      if (role) clusterRoles.set(key, role);
      else clusterRoles.delete(key);
      aggregated.clear();
    }),
    objects.onChange<RoleBinding>(RoleBindingKind, (key, binding) =>
      grants.set(`RoleBinding ${key}`, binding, key.slice(0, key.indexOf('/'))),
    ),
    objects.onChange<ClusterRoleBinding>(ClusterRoleBindingKind, (key, binding) =>
      grants.set(`ClusterRoleBinding ${key}`, binding, EVERYWHERE),
    ),
  ];

  function rulesOfRole(ref: { kind: string; name: string }, namespace: string): PolicyRule[] | undefined {
    if (ref.kind === 'Role') return roles.get(`${namespace}/${ref.name}`);
    const role = clusterRoles.get(ref.name);
    if (!role?.aggregationRule) return role && (role.rules ?? []);
    return getOrMake(aggregated, ref.name, () => aggregate(role, clusterRoles.values()));
  }

  function* grantsOf(identity: Identity, namespace: string): Iterable<Grant> {
    for (const subject of subjectsOf(identity)) {
      yield* grants.of(subject, EVERYWHERE);
      if (namespace !== EVERYWHERE) yield* grants.of(subject, namespace);
    }
  }

  return {
    authorize(asked: AuthorizationAttributes): Decision {
      for (const grant of grantsOf(asked.identity, asked.isResource ? asked.namespace : EVERYWHERE)) {
        const rules = rulesOfRole(grant.role, grant.namespace) ?? [];
        if (rules.some((rule) => ruleAllows(rule, asked))) {
          return {
            allowed: true,
            reason: `RBAC: allowed by ${grant.source} to ${grant.role.kind} ${grant.role.name}`,
          };
        }
      }
      return { allowed: false, denied: false, reason: '' };
    },

    rules(identity, namespace) {
      const held = this.rulesOf(identity, namespace);
      return {
        resources: held
          .filter((rule) => rule.resources?.length)
          .map((rule) => ({
            verbs: rule.verbs,
            apiGroups: rule.apiGroups ?? [],
            resources: rule.resources ?? [],
            resourceNames: rule.resourceNames ?? [],
          })),
        paths: held
          .filter((rule) => rule.nonResourceURLs?.length)
          .map((rule) => ({ verbs: rule.verbs, nonResourceURLs: rule.nonResourceURLs ?? [] })),
      };
    },

    rulesOf(identity, namespace) {
      return [...grantsOf(identity, namespace)].flatMap(
        (grant) => rulesOfRole(grant.role, grant.namespace) ?? [],
      );
    },

    rulesOfRole,
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

function subjectsOf(identity: Identity): string[] {
  return [`User ${identity.name}`, ...identity.groups.map((group) => `Group ${group}`)];
}

/** Null for a subject of a kind that RBAC does not know. */
function subjectKey(subject: RbacSubject, namespace: string): string | undefined {
  switch (subject.kind) {
    case 'User':
    case 'Group':
      return `${subject.kind} ${subject.name}`;
    case 'ServiceAccount': {
      const home = subject.namespace || namespace;
      return home ? `User system:serviceaccount:${home}:${subject.name}` : undefined;
    }
    default:
      return undefined;
  }
}

/** subject → namespace → grants, and for each binding where its grants are, to take them away again. */
class GrantIndex {
  readonly #bySubject = new Map<string, Map<string, Set<Grant>>>();
  readonly #byBinding = new Map<string, { subjects: string[]; grant: Grant }>();

  set(source: string, binding: RoleBinding | ClusterRoleBinding | undefined, namespace: string): void {
    this.#remove(source);
    if (!binding) return;
    const grant: Grant = { source, role: binding.roleRef, namespace };
    const keys = (binding.subjects ?? []).map((subject) => subjectKey(subject, namespace));
    const subjects = [...new Set(keys.filter((key) => key !== undefined))];
    for (const subject of subjects) {
      const byNamespace = getOrMake(this.#bySubject, subject, () => new Map<string, Set<Grant>>());
      getOrMake(byNamespace, namespace, () => new Set<Grant>()).add(grant);
    }
    this.#byBinding.set(source, { subjects, grant });
  }

  of(subject: string, namespace: string): Iterable<Grant> {
    return this.#bySubject.get(subject)?.get(namespace) ?? [];
  }

  #remove(source: string): void {
    const known = this.#byBinding.get(source);
    if (!known) return;
    this.#byBinding.delete(source);
    for (const subject of known.subjects) {
      const byNamespace = this.#bySubject.get(subject)!;
      const set = byNamespace.get(known.grant.namespace)!;
      set.delete(known.grant);
      if (set.size === 0) byNamespace.delete(known.grant.namespace);
      if (byNamespace.size === 0) this.#bySubject.delete(subject);
    }
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

/** The rules of all roles that an aggregating role selects. Such a role's own rules are what was aggregated before. */
function aggregate(role: ClusterRole, all: Iterable<ClusterRole>): PolicyRule[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const rules: PolicyRule[] = [...(role.rules ?? [])];
  for (const other of all) {
    if (other.metadata.name === role.metadata.name) continue;
    if (selectors.some((selector) => matchesLabelSelector(selector, other.metadata.labels ?? {}))) {
      rules.push(...(other.rules ?? []));
    }
  }
  return rules;
}
