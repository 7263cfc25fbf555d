import type { Kind } from '../kind.ts';
import type { IPAddress } from '../objects.ts';
import { checkIpAddress, isAddressName } from '../validation/address-objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** An address of a service, and whose it is. The server keeps its own claims for now and makes none of these. */
export const IPAddressKind: Kind<IPAddress> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  singular: 'ipaddress',
  shortNames: ['ip'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.networking.v1.IPAddress',
  strategy: strategyOf<IPAddress>({
    namespaced: false,
    name: isAddressName,
    check: checkIpAddress,
    checkUpdate(address, old, faults) {
      faults.immutable('spec.parentRef', address.spec?.parentRef, old.spec?.parentRef);
    },
  }),
  columns: [
    nameColumn,
    column('ParentRef', 'string', 'Whose address it is.', ({ spec }) => {
      if (!spec?.parentRef) return '<none>';
      const { group, resource, namespace, name } = spec.parentRef;
      const kind = `${resource}${group ? `.${group}` : ''}`.toLowerCase();
      return [kind, ...(namespace ? [namespace] : []), name].join('/');
    }),
    ageColumn,
  ],
};
