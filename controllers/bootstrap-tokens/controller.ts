import { SecretKind } from '#api/kinds/secret.ts';
import { defineController } from '../framework/define.ts';
import { BOOTSTRAP_TOKEN, planToken } from './plan.ts';

export const bootstrapTokenController = defineController({
  name: 'token-cleaner',
  for: SecretKind,
  reads: [],
  writes: [SecretKind],
  wakes: [],
  content: (object) => (object as { type?: string }).type === BOOTSTRAP_TOKEN,
  plan: (_key, secret, _view, now) => (secret ? planToken(secret, now) : { actions: [] }),
});
