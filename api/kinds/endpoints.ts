import { hostPort } from '#machinery/values/host-port.ts';
import type { Kind } from '../kind.ts';
import type { Endpoints } from '../objects.ts';
import { checkEndpoints } from '../validation/endpoints.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { endpointsWarnings } from '../warnings/network.ts';
import { ageColumn, column, listText, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** The addresses behind a service, in the older of the two forms. */
export const EndpointsKind: Kind<Endpoints> = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Endpoints',
  strategy: strategyOf<Endpoints>({
    namespaced: true,
    name: isDnsSubdomain,
    check: checkEndpoints,
    defaults(endpoints) {
      for (const subset of endpoints.subsets ?? [])
        for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
    },
    warnings: endpointsWarnings,
  }),
  columns: [
    nameColumn,
    column('Endpoints', 'string', 'Ready addresses and their ports.', (endpoints) =>
      addressesText(endpoints),
    ),
    ageColumn,
  ],
};

/** How many addresses a column shows before it counts the rest. */
const SHOWN = 3;

function addressesText(endpoints: Endpoints): string {
  const subsets = endpoints.subsets ?? [];
  if (subsets.length === 0) return '<none>';
  const all = subsets.flatMap((subset) => {
    const addresses = (subset.addresses ?? []).map((address) => address.ip);
    const ports = subset.ports ?? [];
    return ports.length === 0
      ? addresses
      : ports.flatMap((port) => addresses.map((ip) => hostPort(ip, port.port)));
  });
  return listText(all, SHOWN, '');
}
