import type { Kind } from '../kind.ts';
import type { ServiceAccount } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { serviceAccountWarnings } from '../warnings/accounts.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** An identity for pods. */
export const ServiceAccountKind: Kind<ServiceAccount> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ServiceAccount',
  subresources: {
    others: [
      {
        name: 'token',
        kind: 'TokenRequest',
        group: 'authentication.k8s.io',
        version: 'v1',
        verbs: ['create'],
      },
    ],
  },
  strategy: strategyOf<ServiceAccount>({
    namespaced: true,
    name: isDnsSubdomain,
    prepareForCreate: keepNamesOfSecrets,
    prepareForUpdate: keepNamesOfSecrets,
    warnings: serviceAccountWarnings,
  }),
  columns: [
    nameColumn,
    column('Secrets', 'string', 'How many secrets it names.', (account) => (account.secrets ?? []).length),
    ageColumn,
  ],
};

/** Of the secrets that a service account lists, only their names are meant. */
function keepNamesOfSecrets(account: ServiceAccount): void {
  for (const [index, { name }] of (account.secrets ?? []).entries())
    account.secrets![index] = name === undefined ? {} : { name };
}
