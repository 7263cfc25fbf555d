import { defaultPolicy } from '../defaults/admission-registration.ts';
import type { Kind } from '../kind.ts';
import type { ValidatingAdmissionPolicy } from '../objects.ts';
import { checkValidatingPolicy, checkValidatingPolicyStatus } from '../validation/admission-policies.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { paramKindColumn } from './admission-columns.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Expressions by which requests are judged, once a binding puts them to use. */
export const ValidatingAdmissionPolicyKind: Kind<ValidatingAdmissionPolicy> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  singular: 'validatingadmissionpolicy',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy',
  subresources: { status: true },
  strategy: strategyOf<ValidatingAdmissionPolicy>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults({ spec }) {
      if (spec) defaultPolicy(spec);
    },
    prepareForCreate(policy) {
      policy.status = {};
    },
    check: checkValidatingPolicy,
    checkStatus: (policy, _old, faults) => checkValidatingPolicyStatus(policy, faults),
  }),
  columns: [
    nameColumn,
    column(
      'Validations',
      'integer',
      'How many validations it names.',
      ({ spec }) => spec?.validations?.length ?? 0,
    ),
    paramKindColumn,
    ageColumn,
  ],
};
