import type { Kind } from '../kind.ts';
import type { EndpointSlice } from '../objects.ts';
import { checkEndpointSlice } from '../validation/endpoints.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { endpointSliceWarnings } from '../warnings/network.ts';
import { ageColumn, column, listText, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A part of the addresses behind a service. */
export const EndpointSliceKind: Kind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  namespaced: true,
  schema: 'io.k8s.api.discovery.v1.EndpointSlice',
  strategy: strategyOf<EndpointSlice>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults(slice) {
      for (const port of slice.ports ?? []) {
        port.name ??= '';
        port.protocol ??= 'TCP';
      }
    },
    check: checkEndpointSlice,
    checkUpdate(slice, old, faults) {
      faults.immutable('addressType', slice.addressType, old.addressType);
    },
    warnings: endpointSliceWarnings,
  }),
  columns: [
    nameColumn,
    column('AddressType', 'string', 'IPv4, IPv6 or FQDN.', (slice) => slice.addressType ?? ''),
    column('Ports', 'string', 'Ports of every address.', (slice) => {
      const ports = (slice.ports ?? []).map((port) => (port.port ? `${port.port}` : port.name || '*'));
      return listText(ports, SHOWN, '<unset>');
    }),
    column('Endpoints', 'string', 'Addresses, ready or not.', (slice) => {
      const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
      return listText(addresses, SHOWN, '<unset>');
    }),
    ageColumn,
  ],
};

/** How many entries a column shows before it counts the rest. */
const SHOWN = 3;
