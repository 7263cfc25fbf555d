import { SecretKind } from '#api/kinds/secret.ts';
import { keyOf, type Secret } from '#api/objects.ts';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  bootstrapTokenEndMs,
  bootstrapTokenField,
} from '#api/semantics/bootstrap-tokens.ts';
import type { Plan } from '../framework/contract.ts';

/**
 * A bootstrap token whose time is over goes; what it says of its end and cannot be read is long ago. Source: Kubernetes,
 * "Authenticating with Bootstrap Tokens".
 */
export function planToken(secret: Secret, now: number): Plan<typeof SecretKind> {
  const { uid, resourceVersion, namespace, deletionTimestamp } = secret.metadata;
  const isToken = secret.type === BOOTSTRAP_TOKEN_TYPE && namespace === BOOTSTRAP_TOKEN_NAMESPACE;
  const leftMs = bootstrapTokenEndMs(secret) - now;
  if (!isToken || deletionTimestamp || leftMs === Number.POSITIVE_INFINITY) return { actions: [] };
  if (leftMs > 0) return { actions: [], againAfterMs: leftMs };
  const message = `it could be used until ${bootstrapTokenField(secret, 'expiration')}`;
  const options = { uid, resourceVersion };
  const why = { reason: 'TokenExpired', message };
  return { actions: [{ do: 'delete', kind: SecretKind, key: keyOf(secret), options, why }] };
}
