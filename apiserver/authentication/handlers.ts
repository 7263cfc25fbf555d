import { resourceName } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { SelfSubjectReviewKind, TokenReviewKind } from '#api/kinds/reviews.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { ApiObject, SelfSubjectReview, TokenRequest, TokenReview } from '#api/objects.ts';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import { isStatus, StatusError } from '#machinery/errors.ts';
import type { Identity } from '#machinery/transport.ts';
import { nodeNameOf } from '../authorization/node.ts';
import type { ObjectReader, ResourceHandler } from '../contract.ts';
import type { BootstrapTokens } from './bootstrap-tokens.ts';
import type { ServiceAccountTokens, TokenOrder, VerifiedToken } from './tokens.ts';

/** Who am I, whose token is this, and a new token. Source: authentication.k8s.io/v1. */
export function authenticationHandlers(
  tokens: ServiceAccountTokens,
  joining: BootstrapTokens,
  clock: Clock,
): ResourceHandler[] {
  return [
    {
      resource: resourceName(SelfSubjectReviewKind),
      serve: async ({ identity }, body) => ({
        ...needed<SelfSubjectReview>(body, 'SelfSubjectReview'),
        metadata: { creationTimestamp: rfc3339(clock.now()) } as SelfSubjectReview['metadata'],
        status: { userInfo: userInfo(identity) },
      }),
    },
    {
      resource: resourceName(TokenReviewKind),
      serve: async (_context, body) => reviewToken(needed<TokenReview>(body, 'TokenReview'), tokens, joining),
    },
    {
      resource: 'serviceaccounts/token',
      async serve({ info, identity }, body, engine) {
        const request = needed<TokenRequest>(body, 'TokenRequest');
        refuseUnboundNode(info, identity, request.spec?.boundObjectRef, engine);
        return requestToken(info, request, tokens, engine);
      },
    },
  ];
}

function needed<T extends ApiObject>(body: ApiObject | undefined, kind: string): T {
  if (!body) throw new StatusError('BadRequest', `a ${kind} is needed in the body`);
  return body as T;
}

function userInfo({ name, uid, groups, extra }: Identity) {
  return { username: name, ...(uid && { uid }), groups, ...(extra && { extra }) };
}

async function reviewToken(
  review: TokenReview,
  tokens: ServiceAccountTokens,
  joining: BootstrapTokens,
): Promise<TokenReview> {
  const { token, audiences } = review.spec ?? {};
  if (!token) throw new StatusError('BadRequest', 'token is required for TokenReview in authentication');
  const wanted = audiences?.length ? audiences : undefined;
  const ofAccount = await tokens.verify(token, wanted).catch((error) => {
    if (isStatus(error, 'Unauthorized')) return undefined;
    throw error;
  });
  const verified = ofAccount ?? verifyJoining(token, wanted ?? tokens.audiences, tokens, joining);
  const status = verified
    ? {
        authenticated: true,
        user: userInfo(verified.identity),
        ...(audiences?.length && { audiences: verified.audiences }),
      }
    : { authenticated: false, error: 'invalid bearer token' };
  return { ...review, status };
}

/** A bootstrap token is for the server itself and no other audience. */
function verifyJoining(
  token: string,
  wanted: string[],
  { audiences }: ServiceAccountTokens,
  joining: BootstrapTokens,
): VerifiedToken | undefined {
  const shared = audiences.filter((audience) => wanted.includes(audience));
  const identity = shared.length > 0 ? joining.verify(token) : undefined;
  return identity && { identity, audiences: shared };
}

const HOUR_S = 3600;
const LEAST_S = 600;
const MOST_S = 2 ** 32;

async function requestToken(
  at: { namespace: string; name: string },
  request: TokenRequest,
  tokens: ServiceAccountTokens,
  objects: ObjectReader,
): Promise<TokenRequest> {
  const account = objects.get(ServiceAccountKind, at.name, at.namespace);
  if (!account) throw notFound('serviceaccounts', at.name);
  const seconds = request.spec?.expirationSeconds ?? HOUR_S;
  checkLifetime(at.name, seconds);
  const asked = request.spec?.audiences;
  const audiences = asked?.length ? asked : tokens.audiences;
  const { token, expiresMs } = await tokens.issue({
    namespace: at.namespace,
    serviceAccount: { name: at.name, uid: account.metadata.uid ?? '' },
    ...bindingOf(at, request.spec?.boundObjectRef, objects),
    audiences,
    lifetimeMs: seconds * 1000,
  });
  return {
    ...request,
    metadata: { ...request.metadata, name: at.name, namespace: at.namespace },
    spec: { ...request.spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: rfc3339(expiresMs) },
  };
}

function checkLifetime(name: string, seconds: number): void {
  const fault =
    seconds < LEAST_S
      ? 'may not specify a duration less than 10 minutes'
      : seconds > MOST_S
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined;
  if (!fault) return;
  const message = `Invalid value: ${seconds}: ${fault}`;
  throw new StatusError(
    'Invalid',
    `TokenRequest.authentication.k8s.io "${name}" is invalid: spec.expirationSeconds: ${message}`,
    {
      name,
      group: 'authentication.k8s.io',
      kind: 'TokenRequest',
      causes: [{ reason: 'FieldValueInvalid', message, field: 'spec.expirationSeconds' }],
    },
  );
}

type BoundObjectRef = NonNullable<TokenRequest['spec']>['boundObjectRef'];

/** What the token is bound to: it must exist, be the one that was meant, and a pod must run as this account. */
function bindingOf(
  at: { namespace: string; name: string },
  ref: BoundObjectRef,
  objects: ObjectReader,
): Pick<TokenOrder, 'bound' | 'node'> {
  if (!ref) return {};
  const name = ref.name ?? '';
  if (ref.kind === 'Pod' && ref.apiVersion === 'v1') {
    const pod = objects.get(PodKind, name, at.namespace);
    if (!pod) throw notFound('pods', name);
    if ((pod.spec?.serviceAccountName || 'default') !== at.name) {
      throw new StatusError(
        'BadRequest',
        `cannot bind token for serviceaccount "${at.name}" to pod running with different serviceaccount name.`,
      );
    }
    const uid = sameUid('Pod', ref.uid, pod.metadata.uid);
    const nodeName = pod.spec?.nodeName;
    const node = nodeName ? objects.get(NodeKind, nodeName) : undefined;
    return {
      bound: { kind: 'Pod', name, uid },
      ...(node?.metadata.uid && { node: { name: node.metadata.name, uid: node.metadata.uid } }),
    };
  }
  if (ref.kind === 'Secret' && ref.apiVersion === 'v1') {
    const secret = objects.get(SecretKind, name, at.namespace);
    if (!secret) throw notFound('secrets', name);
    return { bound: { kind: 'Secret', name, uid: sameUid('Secret', ref.uid, secret.metadata.uid) } };
  }
  throw new StatusError(
    'BadRequest',
    `cannot bind token to object of type ${ref.apiVersion ?? ''}, Kind=${ref.kind ?? ''}`,
  );
}

/** A node gets tokens only for the pods bound to it, and only such as end with them. Source: NodeRestriction. */
function refuseUnboundNode(
  at: { namespace: string; name: string },
  identity: Identity,
  ref: BoundObjectRef,
  objects: ObjectReader,
): void {
  const node = nodeNameOf(identity);
  if (node === undefined) return;
  const pod = objects.get(PodKind, ref?.name ?? '', at.namespace);
  const why =
    ref?.kind !== 'Pod' || ref.apiVersion !== 'v1'
      ? 'node requested token not bound to a pod'
      : !ref.uid
        ? 'node requested token with a pod binding without a uid'
        : pod?.spec?.nodeName !== node
          ? 'node requested token bound to a pod scheduled on a different node'
          : undefined;
  if (why === undefined) return;
  throw new StatusError('Forbidden', `serviceaccounts "${at.name}" is forbidden: ${why}`, {
    name: at.name,
    kind: 'serviceaccounts',
  });
}

function sameUid(kind: string, wanted: string | undefined, actual = ''): string {
  if (!wanted || wanted === actual) return actual;
  throw new StatusError(
    'Conflict',
    `the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`,
    { kind, uid: wanted },
  );
}

function notFound(resource: string, name: string): StatusError {
  return new StatusError('NotFound', `${resource} "${name}" not found`, { name, kind: resource });
}
