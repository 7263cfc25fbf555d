import { createHash } from 'node:crypto';
import type { Clock } from '#machinery/clock.ts';
import { subjectOf, validityOf } from '#machinery/pki/certificate.ts';
import type { Identity } from '#machinery/transport.ts';
import type { Authenticator, Credentials, ObjectReader } from '../contract.ts';
import type { BootstrapTokens } from './bootstrap-tokens.ts';
import { onlyBoundKeys } from './node-keys.ts';
import { AUTHENTICATED_GROUP, type ServiceAccountTokens, unauthorized } from './tokens.ts';

export { type BootstrapTokens, bootstrapTokens } from './bootstrap-tokens.ts';
export { authenticationHandlers } from './handlers.ts';
export { type ServiceAccountTokens, serviceAccountTokens } from './tokens.ts';

/** The authenticators in the order they are asked; without `tokens` no token of a service account is known. */
export function authenticators(
  tokens: ServiceAccountTokens | undefined,
  joining: BootstrapTokens,
  objects: ObjectReader,
  clock: Clock,
): readonly Authenticator[] {
  return [
    onlyBoundKeys(clientCertificates(clock), objects),
    ...(tokens ? [serviceAccountToken(tokens)] : []),
    bootstrapToken(joining),
  ];
}

/** Who a request without credentials is. */
export const ANONYMOUS: Identity = Object.freeze({
  name: 'system:anonymous',
  groups: ['system:unauthenticated'],
});

/**
 * The identity of the first authenticator that knows the credentials. No credentials: anonymous. A bearer token that
 * nobody knows, or one that does not hold: Unauthorized.
 */
export async function authenticate(
  list: readonly Authenticator[],
  credentials: Credentials,
): Promise<Identity> {
  for (const each of list) {
    const identity = await each.authenticate(credentials);
    if (identity) return identity;
  }
  if (bearerOf(credentials) !== undefined) throw unauthorized();
  return ANONYMOUS;
}

/**
 * A certificate that TLS has verified against the client CA: CN is the user, each O a group, its hash the credential's
 * id. Parsing one costs 75 us, so the identity is kept for the bytes that all requests of a connection share; that it has
 * not ended is looked at each time.
 */
export function clientCertificates(clock: Clock): Authenticator {
  const known = new WeakMap<Uint8Array, { identity: Identity; untilMs: number }>();
  return {
    name: 'x509',
    async authenticate({ certificate }) {
      if (!certificate) return undefined;
      let entry = known.get(certificate);
      if (!entry) {
        entry = { identity: identityOf(certificate), untilMs: validityOf(certificate).untilMs };
        known.set(certificate, entry);
      }
      if (clock.now() >= entry.untilMs) throw unauthorized();
      return entry.identity;
    },
  };
}

function identityOf(certificate: Uint8Array): Identity {
  const subject = subjectOf(certificate);
  if (!subject) throw unauthorized();
  const groups = new Set([...(subject.organizations ?? []), AUTHENTICATED_GROUP]);
  const fingerprint = createHash('sha256').update(certificate).digest('hex');
  const extra = { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] };
  return Object.freeze({ name: subject.commonName, groups: [...groups], extra });
}

function serviceAccountToken(tokens: ServiceAccountTokens): Authenticator {
  return {
    name: 'serviceaccount',
    async authenticate(credentials) {
      const token = bearerOf(credentials);
      return token === undefined ? undefined : (await tokens.verify(token))?.identity;
    },
  };
}

function bootstrapToken(tokens: BootstrapTokens): Authenticator {
  return {
    name: 'bootstrap-token',
    async authenticate(credentials) {
      const token = bearerOf(credentials);
      return token === undefined ? undefined : tokens.verify(token);
    },
  };
}

/** The token of an Authorization header of the Bearer scheme (RFC 6750); undefined for none and for an empty one. */
function bearerOf({ authorization }: Credentials): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}
