import { SecretKind } from '#api/kinds/secret.ts';
import { BOOTSTRAP_TOKEN_TYPE } from '#api/semantics/bootstrap-tokens.ts';
import { defineController } from '../framework/define.ts';
import { planToken } from './plan.ts';

export const bootstrapTokenController = defineController({
  name: 'token-cleaner',
  for: SecretKind,
  reads: [],
  writes: [SecretKind],
  wakes: [],
  content: (object) => (object as { type?: string }).type === BOOTSTRAP_TOKEN_TYPE,
  plan: (_key, secret, _view, now) => (secret ? planToken(secret, now) : { actions: [] }),
});
