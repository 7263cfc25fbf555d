import type { Kind } from '#api/kind.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { Namespace, ServiceAccount } from '#api/objects.ts';
import type { Plan } from '../framework/contract.ts';

/** The account that pods run as when they name none. */
export const DEFAULT_ACCOUNT = 'default';

/** Each namespace has a default ServiceAccount, unless it is on its way out. */
export function planDefaultAccount(namespace: Namespace, exists: boolean): Plan<Kind<ServiceAccount>> {
  if (exists || namespace.metadata.deletionTimestamp) return { actions: [] };
  const object: ServiceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: DEFAULT_ACCOUNT, namespace: namespace.metadata.name },
  };
  const why = { reason: 'NoDefaultAccount', message: 'pods that name no ServiceAccount run as this one' };
  return { actions: [{ do: 'create', kind: ServiceAccountKind, object, why }] };
}
