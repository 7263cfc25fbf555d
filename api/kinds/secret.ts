import type { Kind } from '../kind.ts';
import type { Secret } from '../objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';

/** Confidential keys and values, base64 on the wire. */
export const SecretKind: Kind<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Secret',
  strategy: {
    defaults(secret) {
      secret.type ||= 'Opaque';
    },
    validate: () => [],
  },
  columns: [
    nameColumn,
    column('Type', 'string', 'What the keys mean.', (secret) => secret.type ?? ''),
    column('Data', 'string', 'How many keys there are.', (secret) => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  selectableFields: { type: (secret) => secret.type ?? '' },
};
