import { createHash } from 'node:crypto';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { SigningKey, VerificationKey } from '#machinery/pki/signing-key.ts';
import { type Random, uuid } from '#machinery/random.ts';
import type { Identity } from '#machinery/transport.ts';
import type { ObjectReader } from '../contract.ts';

/**
 * Service-account tokens: JWTs (RFC 7519) that name a ServiceAccount and, when bound, the Pod or Secret they live and die
 * with. A signature is checked once; that the objects still are, each time. Source: Kubernetes KEP-1205.
 */
export interface ServiceAccountTokens {
  issuer: string;
  /** Audiences of a token that asks for none, and those the server itself accepts. */
  audiences: string[];
  issue(order: TokenOrder): Promise<{ token: string; expiresMs: number }>;
  /** Undefined when the token was not made by this issuer. Rejects with Unauthorized when it was but does not hold. */
  verify(token: string, audiences?: string[]): Promise<VerifiedToken | undefined>;
  /** The public keys (RFC 7517), for /openid/v1/jwks. */
  jwks(): object;
}

export interface VerifiedToken {
  identity: Identity;
  /** Those of the token that were asked for. */
  audiences: string[];
}

export interface TokenOrder {
  namespace: string;
  serviceAccount: Bound;
  bound?: Bound & { kind: 'Pod' | 'Secret' };
  /** The node of the bound pod. */
  node?: Bound;
  audiences: string[];
  lifetimeMs: number;
}

interface Bound {
  name: string;
  uid: string;
}

/** The private claim `kubernetes.io`. */
interface KubernetesClaim {
  namespace: string;
  serviceaccount: Bound;
  pod?: Bound;
  secret?: Bound;
  node?: Bound;
}

interface Claims {
  iss: string;
  sub: string;
  aud: string[];
  iat: number;
  nbf: number;
  exp: number;
  jti: string;
  'kubernetes.io': KubernetesClaim;
}

/** What is remembered of a token, as long as its key is in use. */
interface Verified {
  claims: Claims;
  keyId: string | undefined;
}

export interface TokenDeps {
  /** Those of now. The first signs; all verify, so that a key can be replaced without breaking tokens. */
  keys(): readonly [SigningKey, ...VerificationKey[]];
  issuer: string;
  audiences: string[];
  objects: ObjectReader;
  clock: Clock;
  random: Random;
}

/** Verified tokens are remembered (by their hash) so that a busy client costs one signature check. */
const REMEMBERED = 4096;
/** A token may run on this long after its pod was asked to stop, as Kubernetes allows. */
const AFTER_DELETION_MS = 60_000;

export const AUTHENTICATED_GROUP = 'system:authenticated';

export function serviceAccountTokens(deps: TokenDeps): ServiceAccountTokens {
  const { keys, issuer, audiences, objects, clock, random } = deps;
  const remembered = new Map<string, Verified>();

  async function signatureHolds(token: string): Promise<Verified> {
    const { jwtVerify } = await import('jose');
    const verified = await jwtVerify(
      token,
      (header) => {
        const key = keys().find((each) => each.id === header.kid && each.algorithm === header.alg);
        if (!key) throw new Error('no such key');
        return key.publicKey;
      },
      { issuer, algorithms: ['ES256', 'RS256'], currentDate: new Date(clock.now()) },
    );
    return { claims: verified.payload as unknown as Claims, keyId: verified.protectedHeader.kid };
  }

  async function claimsOf(token: string): Promise<Claims> {
    const hash = createHash('sha256').update(token).digest('base64');
    const known = remembered.get(hash);
    if (known && keys().some(({ id }) => id === known.keyId)) return known.claims;
    const verified = await signatureHolds(token).catch(() => {
      throw unauthorized();
    });
    if (remembered.size >= REMEMBERED) remembered.delete(remembered.keys().next().value!);
    remembered.set(hash, verified);
    return verified.claims;
  }

  return {
    issuer,
    audiences,

    async issue(order) {
      const { SignJWT } = await import('jose');
      const now = Math.floor(clock.now() / 1000);
      const exp = now + Math.floor(order.lifetimeMs / 1000);
      const key = keys()[0];
      const payload: Omit<Claims, 'iss' | 'sub' | 'aud' | 'iat' | 'nbf' | 'exp' | 'jti'> = {
        'kubernetes.io': {
          namespace: order.namespace,
          serviceaccount: order.serviceAccount,
          ...(order.bound && {
            [order.bound.kind.toLowerCase()]: { name: order.bound.name, uid: order.bound.uid },
          }),
          ...(order.node && { node: order.node }),
        },
      };
      const token = await new SignJWT(payload)
        .setProtectedHeader({ alg: key.algorithm, kid: key.id })
        .setIssuer(issuer)
        .setSubject(usernameOf(order.namespace, order.serviceAccount.name))
        .setAudience(order.audiences)
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(exp)
        .setJti(uuid(random))
        .sign(key.privateKey);
      return { token, expiresMs: exp * 1000 };
    },

    async verify(token, wanted = audiences) {
      if (issuerOf(token) !== issuer) return undefined;
      const claims = await claimsOf(token);
      const seconds = clock.now() / 1000;
      if (seconds >= claims.exp || seconds < claims.nbf) throw unauthorized();
      const shared = claims.aud.filter((audience) => wanted.includes(audience));
      if (shared.length === 0) throw unauthorized();
      if (!stillBound(claims['kubernetes.io'], objects, clock.now())) throw unauthorized();
      return { identity: identityOf(claims), audiences: shared };
    },

    jwks: () => ({
      keys: keys().map((key) => ({
        use: 'sig',
        kid: key.id,
        alg: key.algorithm,
        ...key.publicKey.export({ format: 'jwk' }),
      })),
    }),
  };
}

/** What a refused token is told: nothing about why, as in Kubernetes. */
export function unauthorized(): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized');
}

function usernameOf(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/** The unverified issuer: says only whether the token is ours to judge. */
function issuerOf(token: string): unknown {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    return JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8')).iss;
  } catch {
    return undefined; // no JSON: no JWT
  }
}

function stillBound(claim: KubernetesClaim, objects: ObjectReader, now: number): boolean {
  const { namespace, serviceaccount, pod, secret, node } = claim;
  const holds = (
    object: { metadata: { uid?: string; deletionTimestamp?: string } } | undefined,
    bound: Bound,
  ): boolean => {
    if (!object || object.metadata.uid !== bound.uid) return false;
    const { deletionTimestamp } = object.metadata;
    return deletionTimestamp === undefined || now < Date.parse(deletionTimestamp) + AFTER_DELETION_MS;
  };
  if (!holds(objects.get(ServiceAccountKind, serviceaccount.name, namespace), serviceaccount)) return false;
  if (pod && !holds(objects.get(PodKind, pod.name, namespace), pod)) return false;
  if (secret && !holds(objects.get(SecretKind, secret.name, namespace), secret)) return false;
  // A pod's token names its node for information only; a token bound to a node alone lives with it.
  if (node && !pod && !holds(objects.get(NodeKind, node.name), node)) return false;
  return true;
}

function identityOf(claims: Claims): Identity {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
  const extra: Record<string, string[]> = {
    'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`],
  };
  if (pod) {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name];
    extra['authentication.kubernetes.io/pod-uid'] = [pod.uid];
  }
  if (node) {
    extra['authentication.kubernetes.io/node-name'] = [node.name];
    extra['authentication.kubernetes.io/node-uid'] = [node.uid];
  }
  return {
    name: usernameOf(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, AUTHENTICATED_GROUP],
    extra,
  };
}
