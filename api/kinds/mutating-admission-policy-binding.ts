import { defaultMatchResources } from '../defaults/admission-registration.ts';
import type { Kind } from '../kind.ts';
import type { MutatingAdmissionPolicyBinding } from '../objects.ts';
import { checkMutatingBinding } from '../validation/admission-policies.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { bindingColumns } from './admission-columns.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Puts a MutatingAdmissionPolicy to use, with parameters and for some of its requests. */
export const MutatingAdmissionPolicyBindingKind: Kind<MutatingAdmissionPolicyBinding> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  singular: 'mutatingadmissionpolicybinding',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding',
  strategy: strategyOf<MutatingAdmissionPolicyBinding>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults({ spec }) {
      if (spec?.matchResources) defaultMatchResources(spec.matchResources);
    },
    check: checkMutatingBinding,
  }),
  columns: [nameColumn, ...bindingColumns, ageColumn],
};
