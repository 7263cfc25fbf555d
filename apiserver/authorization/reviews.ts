import { type Kind, resourceName } from '#api/kind.ts';
import {
  LocalSubjectAccessReviewKind,
  SelfSubjectAccessReviewKind,
  SelfSubjectRulesReviewKind,
  SubjectAccessReviewKind,
} from '#api/kinds/reviews.ts';
import type {
  ApiObject,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Identity } from '#machinery/transport.ts';
import type { AuthorizationAttributes, Authorizer, RequestContext, ResourceHandler } from '../contract.ts';
import { invalid } from '../engine/faults.ts';

/** Questions to the authorizer over the API. Source: authorization.k8s.io/v1. */
export function authorizationHandlers(authorizer: Authorizer): ResourceHandler[] {
  return [
    handler(SelfSubjectAccessReviewKind, (review: SelfSubjectAccessReview, context) => ({
      ...review,
      status: statusOf(authorizer, attributesIn(review, review.spec, context.identity)),
    })),
    handler(SubjectAccessReviewKind, (review: SubjectAccessReview) => ({
      ...review,
      status: statusOf(authorizer, attributesIn(review, review.spec, subjectOf(review))),
    })),
    handler(LocalSubjectAccessReviewKind, (review: LocalSubjectAccessReview, context) => {
      const asked = review.spec?.resourceAttributes?.namespace ?? '';
      if (asked !== context.info.namespace) {
        throw refused(review, 'spec.resourceAttributes.namespace', asked, 'must match metadata.namespace');
      }
      return {
        ...review,
        status: statusOf(authorizer, attributesIn(review, review.spec, subjectOf(review))),
      };
    }),
    handler(SelfSubjectRulesReviewKind, (review: SelfSubjectRulesReview, context) => {
      const namespace = review.spec?.namespace;
      if (!namespace) throw new StatusError('BadRequest', 'no namespace on request');
      const held = authorizer.rules(context.identity, namespace);
      return {
        ...review,
        status: { incomplete: false, resourceRules: held.resources, nonResourceRules: held.paths },
      };
    }),
  ];
}

function handler<T extends ApiObject>(
  kind: Kind<T>,
  answer: (review: T, context: RequestContext) => T,
): ResourceHandler {
  return {
    resource: resourceName(kind),
    async serve(context, body) {
      if (!body) throw new StatusError('BadRequest', `a ${kind.kind} is needed in the body`);
      return answer(body as T, context);
    },
  };
}

function subjectOf(review: SubjectAccessReview | LocalSubjectAccessReview): Identity {
  const { user = '', groups = [], uid, extra } = review.spec ?? {};
  if (user === '' && groups.length === 0) {
    throw refused(review, 'spec.user', '', 'at least one of user or group must be specified');
  }
  return { name: user, groups, ...(uid !== undefined && { uid }), ...(extra && { extra }) };
}

type Asked = Pick<
  NonNullable<SelfSubjectAccessReview['spec']>,
  'resourceAttributes' | 'nonResourceAttributes'
>;

function attributesIn(
  review: ApiObject,
  spec: Asked | undefined,
  identity: Identity,
): AuthorizationAttributes {
  const { resourceAttributes: resource, nonResourceAttributes: other } = spec ?? {};
  if ((resource === undefined) === (other === undefined)) {
    throw refused(
      review,
      'spec.resourceAttributes',
      'null',
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  }
  const fields = (resource?.fieldSelector?.requirements ?? [])
    .filter(({ operator, values }) => operator === 'In' && values?.length === 1)
    .map(({ key, values }) => `${key}=${values![0]}`);
  return {
    identity,
    verb: (resource ?? other)?.verb ?? '',
    isResource: resource !== undefined,
    group: resource?.group ?? '',
    version: resource?.version ?? '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    namespace: resource?.namespace ?? '',
    name: resource?.name ?? '',
    path: other?.path ?? '',
    ...(fields.length > 0 && { fieldSelector: fields.join(',') }),
  };
}

function statusOf(authorizer: Authorizer, asked: AuthorizationAttributes) {
  const decision = authorizer.authorize(asked);
  return {
    allowed: decision.allowed,
    ...(!decision.allowed && decision.denied && { denied: true }),
    ...(decision.reason && { reason: decision.reason }),
  };
}

function refused({ kind }: ApiObject, field: string, value: string, detail: string): StatusError {
  return invalid({ group: 'authorization.k8s.io', kind }, '', [{ type: 'Invalid', field, value, detail }]);
}
