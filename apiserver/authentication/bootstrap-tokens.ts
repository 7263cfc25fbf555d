import { timingSafeEqual } from 'node:crypto';
import { SecretKind } from '#api/kinds/secret.ts';
import type { Secret } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Identity } from '#machinery/transport.ts';
import type { Authenticator, Credentials, ObjectReader } from '../contract.ts';
import { AUTHENTICATED_GROUP } from './tokens.ts';

const NAMESPACE = 'kube-system';
const PREFIX = 'bootstrap-token-';
const TYPE = 'bootstrap.kubernetes.io/token';
const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const BOOTSTRAPPERS = 'system:bootstrappers';
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/**
 * Tokens `ID.SECRET` by which machines that are to join show themselves; each is a Secret that says how long and for what it is
 * good. Source: Kubernetes, "Authenticating with Bootstrap Tokens".
 */
export function bootstrapTokens(
  objects: ObjectReader,
  clock: Clock,
  bearerOf: (credentials: Credentials) => string | undefined,
): Authenticator {
  return {
    name: 'bootstrap-token',
    async authenticate(credentials) {
      const [, id, secret] = TOKEN.exec(bearerOf(credentials) ?? '') ?? [];
      if (!id || !secret) return undefined;
      const stored = objects.get(SecretKind, PREFIX + id, NAMESPACE);
      return stored && holds(stored, id, secret, clock.now()) ? identityOf(stored, id) : undefined;
    },
  };
}

function textOf({ data }: Secret, key: string): string {
  return Buffer.from(data?.[key] ?? '', 'base64').toString();
}

function holds(stored: Secret, id: string, secret: string, now: number): boolean {
  if (stored.type !== TYPE || stored.metadata.deletionTimestamp || textOf(stored, 'token-id') !== id)
    return false;
  if (textOf(stored, 'usage-bootstrap-authentication') !== 'true') return false;
  const expected = Buffer.from(textOf(stored, 'token-secret'));
  const given = Buffer.from(secret);
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) return false;
  const expiration = textOf(stored, 'expiration');
  // A time that cannot be read has come.
  return expiration === '' || now < Date.parse(expiration);
}

/** A group that is not one for bootstrappers makes the whole token useless, as in Kubernetes. */
function identityOf(stored: Secret, id: string): Identity | undefined {
  const extra = textOf(stored, 'auth-extra-groups')
    .split(',')
    .filter((name) => name !== '');
  if (!extra.every((name) => EXTRA_GROUP.test(name))) return undefined;
  return { name: `system:bootstrap:${id}`, groups: [BOOTSTRAPPERS, ...extra, AUTHENTICATED_GROUP] };
}
