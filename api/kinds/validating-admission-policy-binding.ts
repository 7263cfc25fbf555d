import { defaultMatchResources } from '../defaults/admission-registration.ts';
import type { Kind } from '../kind.ts';
import type { ValidatingAdmissionPolicyBinding } from '../objects.ts';
import { checkValidatingBinding } from '../validation/admission-policies.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { bindingColumns } from './admission-columns.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Puts a ValidatingAdmissionPolicy to use, with parameters and for some of its requests. */
export const ValidatingAdmissionPolicyBindingKind: Kind<ValidatingAdmissionPolicyBinding> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  singular: 'validatingadmissionpolicybinding',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding',
  strategy: strategyOf<ValidatingAdmissionPolicyBinding>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults({ spec }) {
      if (spec?.matchResources) defaultMatchResources(spec.matchResources);
    },
    check: checkValidatingBinding,
  }),
  columns: [nameColumn, ...bindingColumns, ageColumn],
};
