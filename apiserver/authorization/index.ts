import type { Authorizer, ObjectReader } from '../contract.ts';
import { nodeAuthorizer } from './node.ts';
import { type RbacAuthorizer, rbacAuthorizer } from './rbac.ts';

export { attributesOf, forbidden } from './attributes.ts';
export { reconcilePolicy } from './reconcile.ts';

/** Those who set up the cluster: allowed everything, even when the roles are broken. */
const MASTERS_GROUP = 'system:masters';

const masters: Authorizer = {
  authorize: ({ identity }) =>
    identity.groups.includes(MASTERS_GROUP)
      ? { allowed: true, reason: '' }
      : { allowed: false, denied: false, reason: '' },
  rules: (identity) =>
    identity.groups.includes(MASTERS_GROUP)
      ? {
          resources: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [] }],
          paths: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        }
      : { resources: [], paths: [] },
};

export interface ServerAuthorizer extends Authorizer {
  rbac: RbacAuthorizer;
  close(): void;
}

/** The authorizers in order: the first that allows or denies decides; the reasons of the rest are joined. */
export function authorizer(objects: ObjectReader): ServerAuthorizer {
  const rbac = rbacAuthorizer(objects);
  const node = nodeAuthorizer(objects);
  const list: readonly Authorizer[] = [masters, node, rbac];
  return {
    rbac,
    authorize(attributes) {
      const reasons: string[] = [];
      for (const each of list) {
        const decision = each.authorize(attributes);
        if (decision.allowed || decision.denied) return decision;
        if (decision.reason) reasons.push(decision.reason);
      }
      return { allowed: false, denied: false, reason: reasons.join(', ') };
    },
    rules(identity, namespace) {
      const held = list.map((each) => each.rules(identity, namespace));
      return { resources: held.flatMap((each) => each.resources), paths: held.flatMap((each) => each.paths) };
    },
    close() {
      rbac.close();
      node.close();
    },
  };
}
