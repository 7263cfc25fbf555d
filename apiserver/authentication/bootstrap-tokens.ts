import { createHash, timingSafeEqual } from 'node:crypto';
import { SecretKind } from '#api/kinds/secret.ts';
import type { Secret } from '#api/objects.ts';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  bootstrapTokenEndMs,
  bootstrapTokenName,
  bootstrapTokenField as field,
} from '#api/semantics/bootstrap-tokens.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Identity } from '#machinery/transport.ts';
import type { ObjectReader } from '../contract.ts';
import { AUTHENTICATED_GROUP } from './tokens.ts';

/**
 * Tokens `ID.SECRET` by which machines that are to join show themselves; each is a Secret that says how long and for what it is
 * good. Source: Kubernetes, "Authenticating with Bootstrap Tokens".
 */
export interface BootstrapTokens {
  /** Undefined for what is no such token, and for one that nobody made, that has ended, or is not for this. */
  verify(token: string): Identity | undefined;
}

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const BOOTSTRAPPERS = 'system:bootstrappers';
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export function bootstrapTokens(objects: ObjectReader, clock: Clock): BootstrapTokens {
  return {
    verify(token) {
      const [, id, secret] = TOKEN.exec(token) ?? [];
      if (!id || !secret) return undefined;
      const stored = objects.get(SecretKind, bootstrapTokenName(id), BOOTSTRAP_TOKEN_NAMESPACE);
      return stored && holds(stored, id, secret, clock.now()) ? identityOf(stored, id) : undefined;
    },
  };
}

function holds(stored: Secret, id: string, secret: string, now: number): boolean {
  if (stored.type !== BOOTSTRAP_TOKEN_TYPE || stored.metadata.deletionTimestamp) return false;
  if (field(stored, 'token-id') !== id || field(stored, 'usage-bootstrap-authentication') !== 'true')
    return false;
  return isSame(field(stored, 'token-secret'), secret) && now < bootstrapTokenEndMs(stored);
}

/** Takes as long for every wrong secret: of hashes, since only what is equally long can be compared so. */
function isSame(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

/** A group that is not one for bootstrappers makes the whole token useless, as in Kubernetes. */
function identityOf(stored: Secret, id: string): Identity | undefined {
  const extra = field(stored, 'auth-extra-groups')
    .split(',')
    .filter((name) => name !== '');
  if (!extra.every((name) => EXTRA_GROUP.test(name))) return undefined;
  return { name: `system:bootstrap:${id}`, groups: [BOOTSTRAPPERS, ...extra, AUTHENTICATED_GROUP] };
}
