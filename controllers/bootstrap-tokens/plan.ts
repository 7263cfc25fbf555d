import { SecretKind } from '#api/kinds/secret.ts';
import { keyOf, type Secret } from '#api/objects.ts';
import type { Plan } from '../framework/contract.ts';

export const BOOTSTRAP_TOKEN = 'bootstrap.kubernetes.io/token';
const NAMESPACE = 'kube-system';

/** A bootstrap token whose time is over goes. Source: Kubernetes, "Authenticating with Bootstrap Tokens". */
export function planToken(secret: Secret, now: number): Plan<typeof SecretKind> {
  const { uid, resourceVersion, namespace, deletionTimestamp } = secret.metadata;
  if (secret.type !== BOOTSTRAP_TOKEN || namespace !== NAMESPACE || deletionTimestamp) return { actions: [] };
  const expiration = Buffer.from(secret.data?.['expiration'] ?? '', 'base64').toString();
  const leftMs = Date.parse(expiration) - now;
  // One that names no time, or none that can be read, is not used up; it cannot be used either when that is nonsense.
  if (Number.isNaN(leftMs)) return { actions: [] };
  if (leftMs > 0) return { actions: [], againAfterMs: leftMs };
  const why = { reason: 'TokenExpired', message: `it could be used until ${expiration}` };
  const options = { uid, resourceVersion };
  return { actions: [{ do: 'delete', kind: SecretKind, key: keyOf(secret), options, why }] };
}
