import type { Kind } from '../kind.ts';
import type { Ingress } from '../objects.ts';
import { checkIngress, checkIngressStatus, checkNewIngress } from '../validation/ingress.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ingressWarnings } from '../warnings/network.ts';
import { ageColumn, column, nameColumn, orNone } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Which service answers HTTP requests from outside, by host and path. */
export const IngressKind: Kind<Ingress> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['ing'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.networking.v1.Ingress',
  subresources: { status: true },
  strategy: strategyOf<Ingress>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults(ingress) {
      ingress.spec ??= {};
      ingress.status ??= {};
      ingress.status.loadBalancer ??= {};
    },
    prepareForCreate(ingress) {
      ingress.status = { loadBalancer: {} };
    },
    check: checkIngress,
    checkCreate: checkNewIngress,
    checkStatus: (ingress, _old, faults) => checkIngressStatus(ingress, faults),
    warnings: ingressWarnings,
  }),
  columns: [
    nameColumn,
    column('Class', 'string', 'The class of the proxy that serves it.', (ingress) =>
      orNone(ingress.spec?.ingressClassName),
    ),
    column('Hosts', 'string', 'Hosts it answers for.', hostsText),
    column('Address', 'string', 'Where the proxy can be reached.', addressText),
    column('Ports', 'string', 'Ports it answers on.', (ingress) =>
      ingress.spec?.tls?.length ? '80, 443' : '80',
    ),
    ageColumn,
  ],
};

/** How many hosts the column shows before it counts the rest. */
const SHOWN = 3;

/** The rest is counted in rules, whether they have a host or not: so Kubernetes does. */
function hostsText({ spec }: Ingress): string {
  const rules = spec?.rules ?? [];
  const shown: string[] = [];
  for (const { host } of rules) {
    if (shown.length === SHOWN) return `${shown.join(',')} + ${rules.length - SHOWN} more...`;
    if (host) shown.push(host);
  }
  return shown.join(',') || '*';
}

function addressText({ status }: Ingress): string {
  const points = status?.loadBalancer?.ingress ?? [];
  const addresses = points.map(({ ip, hostname }) => ip || hostname || '').filter(Boolean);
  return [...new Set(addresses)].sort().join(',');
}
