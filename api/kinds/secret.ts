import type { Kind } from '../kind.ts';
import type { Secret } from '../objects.ts';
import { checkSecret, checkSecretUpdate } from '../validation/configuration.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { secretWarnings } from '../warnings/accounts.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Confidential keys and values, base64 on the wire. */
export const SecretKind: Kind<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Secret',
  strategy: strategyOf<Secret>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults(secret) {
      secret.type ||= 'Opaque';
      // stringData is only for writing: plain text that becomes data.
      for (const key in secret.stringData) {
        secret.data ??= {};
        secret.data[key] = Buffer.from(secret.stringData[key]!).toString('base64');
      }
      delete secret.stringData;
    },
    check: checkSecret,
    checkUpdate: checkSecretUpdate,
    warnings: secretWarnings,
  }),
  columns: [
    nameColumn,
    column('Type', 'string', 'What the keys mean.', (secret) => secret.type ?? ''),
    column('Data', 'string', 'How many keys there are.', (secret) => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  selectableFields: { type: (secret) => secret.type ?? '' },
};
