/** Secrets that are bootstrap tokens. Source: Kubernetes "Authenticating with Bootstrap Tokens". */
import { rfc3339 } from '#machinery/clock.ts';
import type { Secret } from '../objects.ts';
import { VOUCHED_BY } from './authorities.ts';

export const BOOTSTRAP_TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
export const BOOTSTRAP_TOKEN_NAMESPACE = 'kube-system';
/** The group that bootstrap tokens for nodes put their bearer in: it may ask for a node's client certificate. */
export const NODE_TOKEN_GROUP = 'system:bootstrappers:gantry:default-node-token';

/** The group of those for servers: it gets all that makes a server. */
export const SERVER_TOKEN_GROUP = 'system:bootstrappers:gantry:server';

/** What the data of such a Secret says. */
export type BootstrapTokenKey =
  | 'token-id'
  | 'token-secret'
  | 'expiration'
  | 'description'
  | 'auth-extra-groups'
  | 'usage-bootstrap-authentication'
  | 'usage-bootstrap-signing';

export interface BootstrapToken {
  /** Six characters of a-z and 0-9; no secret. */
  id: string;
  /** Sixteen of them. */
  secret: string;
  /** Each is `system:bootstrappers:` and more. */
  groups: readonly string[];
  /** When it ends, in ms since the epoch; never when left out. */
  expiresMs?: number;
  description?: string;
  /** Hex SHA-256 of the key of the authority that is given with it. */
  vouchedBy?: string;
}

/** The Secret of a token that authenticates. */
export function bootstrapTokenSecret(token: BootstrapToken): Secret {
  const fields: Partial<Record<BootstrapTokenKey, string>> = {
    'token-id': token.id,
    'token-secret': token.secret,
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': token.groups.join(','),
    ...(token.expiresMs !== undefined && { expiration: rfc3339(token.expiresMs) }),
    ...(token.description && { description: token.description }),
  };
  const encoded = Object.entries(fields).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      ...{ name: bootstrapTokenName(token.id), namespace: BOOTSTRAP_TOKEN_NAMESPACE },
      ...(token.vouchedBy && { annotations: { [VOUCHED_BY]: token.vouchedBy } }),
    },
    type: BOOTSTRAP_TOKEN_TYPE,
    data: Object.fromEntries(encoded),
  };
}

/** The name of the Secret of the token `id`. */
export function bootstrapTokenName(id: string): string {
  return `bootstrap-token-${id}`;
}

/** Empty when it is not said. */
export function bootstrapTokenField(secret: Secret, key: BootstrapTokenKey): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** When the token ends, in ms: never (Infinity) when it does not say, long ago (0) when what it says is no time. */
export function bootstrapTokenEndMs(secret: Secret): number {
  const text = bootstrapTokenField(secret, 'expiration');
  if (text === '') return Number.POSITIVE_INFINITY;
  return (RFC3339.test(text) && Date.parse(text)) || 0;
}
