import { MutatingAdmissionPolicyKind } from '../kinds/mutating-admission-policy.ts';
import { MutatingAdmissionPolicyBindingKind } from '../kinds/mutating-admission-policy-binding.ts';
import { MutatingWebhookConfigurationKind } from '../kinds/mutating-webhook-configuration.ts';
import { ValidatingAdmissionPolicyKind } from '../kinds/validating-admission-policy.ts';
import { ValidatingAdmissionPolicyBindingKind } from '../kinds/validating-admission-policy-binding.ts';
import { ValidatingWebhookConfigurationKind } from '../kinds/validating-webhook-configuration.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const rule = {
  operations: ['CREATE', 'UPDATE'],
  apiGroups: ['apps'],
  apiVersions: ['v1'],
  resources: ['deployments', 'deployments/scale'],
  scope: 'Namespaced',
};
const selector = {
  matchLabels: { team: 'blue' },
  matchExpressions: [{ key: 'tier', operator: 'In', values: ['web'] }],
};
const matchConditions = [{ name: 'example.com/others', expression: 'request.userInfo.username != "ann"' }];
const matchResources = {
  matchPolicy: 'Exact',
  namespaceSelector: selector,
  objectSelector: selector,
  resourceRules: [{ ...rule, resourceNames: ['web'] }],
  excludeResourceRules: [{ ...rule, resourceNames: ['db'] }],
};
const webhook = {
  name: 'check.example.com',
  admissionReviewVersions: ['v1'],
  clientConfig: {
    service: { namespace: 'default', name: 'check', path: '/check', port: 8443 },
    caBundle: 'AAAA',
  },
  failurePolicy: 'Ignore',
  matchConditions,
  matchPolicy: 'Exact',
  namespaceSelector: selector,
  objectSelector: selector,
  rules: [rule],
  sideEffects: 'None',
  timeoutSeconds: 5,
};
const elsewhere = {
  ...webhook,
  name: 'else.example.com',
  clientConfig: { url: 'https://example.com/check' },
};
const policy = {
  failurePolicy: 'Ignore',
  matchConditions,
  matchConstraints: matchResources,
  paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
  variables: [{ name: 'replicas', expression: 'object.spec.replicas' }],
};
const named = {
  policyName: 'few-replicas',
  paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' },
  matchResources,
};
const selected = { policyName: 'few-replicas', paramRef: { selector, parameterNotFoundAction: 'Allow' } };

export const admissionRegistrationSpecimens: Specimen[] = [
  specimenOf(ValidatingWebhookConfigurationKind, {
    full: { metadata: { name: 'check' }, webhooks: [webhook, elsewhere] },
  }),
  specimenOf(MutatingWebhookConfigurationKind, {
    full: {
      metadata: { name: 'change' },
      webhooks: [{ ...webhook, reinvocationPolicy: 'IfNeeded' }, elsewhere],
    },
  }),
  specimenOf(ValidatingAdmissionPolicyKind, {
    full: {
      metadata: { name: 'few-replicas' },
      spec: {
        ...policy,
        auditAnnotations: [{ key: 'replicas', valueExpression: 'string(object.spec.replicas)' }],
        validations: [
          {
            expression: 'variables.replicas < 5',
            message: 'too many',
            messageExpression: '"too many"',
            reason: 'Forbidden',
          },
        ],
      },
    },
  }),
  specimenOf(ValidatingAdmissionPolicyBindingKind, {
    full: { metadata: { name: 'few-replicas' }, spec: { ...named, validationActions: ['Deny', 'Audit'] } },
    selected: { metadata: { name: 'selected' }, spec: { ...selected, validationActions: ['Warn'] } },
  }),
  specimenOf(MutatingAdmissionPolicyKind, {
    full: {
      metadata: { name: 'one-replica' },
      spec: {
        ...policy,
        mutations: [
          { patchType: 'JSONPatch', jsonPatch: { expression: '[]' } },
          { patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } },
        ],
        reinvocationPolicy: 'IfNeeded',
      },
    },
  }),
  specimenOf(MutatingAdmissionPolicyBindingKind, {
    full: { metadata: { name: 'one-replica' }, spec: named },
    selected: { metadata: { name: 'selected' }, spec: selected },
  }),
];
