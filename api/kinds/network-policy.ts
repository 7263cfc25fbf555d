import { describeLabelSelector } from '#machinery/values/selector.ts';
import type { Kind } from '../kind.ts';
import type { NetworkPolicy } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkNetworkPolicy } from '../validation/network-policy.ts';
import { networkPolicyWarnings } from '../warnings/network.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Which peers the pods of a selector may talk to. */
export const NetworkPolicyKind: Kind<NetworkPolicy> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.networking.v1.NetworkPolicy',
  strategy: strategyOf<NetworkPolicy>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultNetworkPolicy,
    check: checkNetworkPolicy,
    warnings: networkPolicyWarnings,
  }),
  columns: [
    nameColumn,
    column('Pod-Selector', 'string', 'Labels of the pods it is about.', (policy) =>
      describeLabelSelector(policy.spec?.podSelector),
    ),
    ageColumn,
  ],
};

function defaultNetworkPolicy(policy: NetworkPolicy): void {
  policy.spec ??= {};
  const { spec } = policy;
  spec.podSelector ??= {};
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
    for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  if (spec.policyTypes?.length) return;
  spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
}
