/** Questions that are answered at once and never stored. */
import type { Kind } from '../kind.ts';
import type {
  ApiObject,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  TokenReview,
} from '../objects.ts';
import { ageColumn, nameColumn } from './columns.ts';

/** Whose token is this? */
export const TokenReviewKind = review<TokenReview>('authentication', 'TokenReview');

/** Who am I? */
export const SelfSubjectReviewKind = review<SelfSubjectReview>('authentication', 'SelfSubjectReview');

/** May somebody do something? */
export const SubjectAccessReviewKind = review<SubjectAccessReview>('authorization', 'SubjectAccessReview');

/** May I do something? */
export const SelfSubjectAccessReviewKind = review<SelfSubjectAccessReview>(
  'authorization',
  'SelfSubjectAccessReview',
);

/** May somebody do something in one namespace? */
export const LocalSubjectAccessReviewKind: Kind<LocalSubjectAccessReview> = {
  ...review<LocalSubjectAccessReview>('authorization', 'LocalSubjectAccessReview'),
  namespaced: true,
};

/** What may I do in a namespace? */
export const SelfSubjectRulesReviewKind = review<SelfSubjectRulesReview>(
  'authorization',
  'SelfSubjectRulesReview',
);

function review<T extends ApiObject>(area: 'authentication' | 'authorization', kind: string): Kind<T> {
  return {
    group: `${area}.k8s.io`,
    version: 'v1',
    kind,
    plural: `${kind.toLowerCase()}s`,
    singular: kind.toLowerCase(),
    namespaced: false,
    verbs: ['create'],
    virtual: true,
    schema: `io.k8s.api.${area}.v1.${kind}`,
    strategy: { validate: () => [] },
    columns: [nameColumn, ageColumn],
  };
}
