import { defaultPolicy } from '../defaults/admission-registration.ts';
import type { Kind } from '../kind.ts';
import type { MutatingAdmissionPolicy } from '../objects.ts';
import { checkMutatingPolicy } from '../validation/admission-policies.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { paramKindColumn } from './admission-columns.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Expressions by which requests are changed, once a binding puts them to use. */
export const MutatingAdmissionPolicyKind: Kind<MutatingAdmissionPolicy> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  singular: 'mutatingadmissionpolicy',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy',
  strategy: strategyOf<MutatingAdmissionPolicy>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults({ spec }) {
      if (spec) defaultPolicy(spec);
    },
    check: checkMutatingPolicy,
  }),
  columns: [
    nameColumn,
    column(
      'Mutations',
      'integer',
      'How many mutations it names.',
      ({ spec }) => spec?.mutations?.length ?? 0,
    ),
    paramKindColumn,
    ageColumn,
  ],
};
