import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { MutatingAdmissionPolicyKind } from '../kinds/mutating-admission-policy.ts';
import { MutatingAdmissionPolicyBindingKind } from '../kinds/mutating-admission-policy-binding.ts';
import { ValidatingAdmissionPolicyKind } from '../kinds/validating-admission-policy.ts';
import { ValidatingAdmissionPolicyBindingKind } from '../kinds/validating-admission-policy-binding.ts';
import { expectRow, faultsOf, make, type Parts, statusFaultsOf } from '../testing/objects.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const matchConstraints = { resourceRules: [rule] };
const validating = { matchConstraints, validations: [{ expression: 'true' }] };
const patch = { patchType: 'JSONPatch', jsonPatch: { expression: '[]' } };
const mutating = { matchConstraints, reinvocationPolicy: 'Never', mutations: [patch] };
const POLICIES: [Kind, Parts][] = [
  [ValidatingAdmissionPolicyKind, validating],
  [MutatingAdmissionPolicyKind, mutating],
];
const DNS_LABEL =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** [the wrong parts of the spec, the faults], with both sorts of policies. */
const WRONG: [Parts, string[]][] = [
  [
    { failurePolicy: 'Panic', matchConstraints: undefined },
    [
      'spec.failurePolicy: Unsupported value: "Panic": supported values: "Fail", "Ignore"',
      'spec.matchConstraints: Required value',
    ],
  ],
  [{ matchConstraints: {} }, ['spec.matchConstraints.resourceRules: Required value']],
  [
    {
      matchConstraints: {
        matchPolicy: 'Roughly',
        resourceRules: [{ ...rule, resourceNames: ['a/b', 'c', 'c'] }],
        excludeResourceRules: [{ ...rule, apiGroups: [] }],
      },
    },
    [
      'spec.matchConstraints.matchPolicy: Unsupported value: "Roughly": supported values: "Equivalent", "Exact"',
      'spec.matchConstraints.resourceRules[0].resourceNames[0]: Invalid value: "a/b": may not contain \'/\'',
      'spec.matchConstraints.resourceRules[0].resourceNames[2]: Duplicate value: "c"',
      'spec.matchConstraints.excludeResourceRules[0].apiGroups: Required value',
    ],
  ],
  [{ matchConditions: [{ name: 'a' }] }, ['spec.matchConditions[0].expression: Required value']],
  [{ paramKind: {} }, ['spec.paramKind.apiVersion: Required value', 'spec.paramKind.kind: Required value']],
  [
    { paramKind: { apiVersion: 'a/b/c', kind: 'A_b' } },
    [
      'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      `spec.paramKind.kind: Invalid value: "A_b": may have mixed case, but should otherwise match: ${DNS_LABEL}`,
    ],
  ],
  [
    { paramKind: { apiVersion: 'A/', kind: 'Limit' } },
    [
      `spec.paramKind.apiVersion: Invalid value: "A": ${SUBDOMAIN}`,
      'spec.paramKind.apiVersion: Invalid value: "A/": version must be specified',
    ],
  ],
  [
    { paramKind: { apiVersion: '1', kind: 'Limit' } },
    [`spec.paramKind.apiVersion: Invalid value: "1": ${DNS_LABEL}`],
  ],
  [
    { variables: [{}, { name: 'in', expression: '1' }, { name: 'a-b', expression: '1' }] },
    [
      'spec.variables[0].name: Required value: name is not specified',
      'spec.variables[0].expression: Required value: expression is not specified',
      'spec.variables[1].name: Invalid value: "in": name is not a valid CEL identifier',
      'spec.variables[2].name: Invalid value: "a-b": name is not a valid CEL identifier',
    ],
  ],
];

/** [the wrong parts of the spec, the faults]. */
const WRONG_VALIDATING: [Parts, string[]][] = [
  [
    { validations: [] },
    [
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
      'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  ],
  [
    { validations: [{ message: ' ', messageExpression: ' ', reason: 'Because' }] },
    [
      'spec.validations[0].expression: Required value: expression is not specified',
      'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
      'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
      'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
    ],
  ],
  [
    { validations: [{ expression: 'true', message: 'a\nb' }] },
    ['spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks'],
  ],
  [
    {
      auditAnnotations: [
        { key: 'a' },
        { key: 'a', valueExpression: 'a'.repeat(5 * 1024 + 1) },
        { key: 'b/c', valueExpression: '1' },
      ],
    },
    [
      'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
      'spec.auditAnnotations[1].valueExpression: Required value: must not exceed 5120 bytes in length',
      'spec.auditAnnotations[1].key: Duplicate value: "a"',
      "spec.auditAnnotations[2].key: Invalid value: \"x/b/c\": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ],
  ],
];

/** [the wrong parts of the spec, the faults]. */
const WRONG_MUTATING: [Parts, string[]][] = [
  [
    { mutations: [], reinvocationPolicy: undefined },
    [
      'spec.mutations: Required value: mutations must contain at least one item',
      'spec.reinvocationPolicy: Required value',
    ],
  ],
  [
    {
      reinvocationPolicy: 'Always',
      matchConstraints: { resourceRules: [{ ...rule, operations: ['DELETE'] }] },
    },
    [
      'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
      'spec.reinvocationPolicy: Unsupported value: "Always": supported values: "Never", "IfNeeded"',
    ],
  ],
  [
    { mutations: [{}, { patchType: 'Merge' }, { patchType: 'JSONPatch', applyConfiguration: {} }] },
    [
      'spec.mutations[0].patchType: Required value',
      'spec.mutations[1].patchType: Unsupported value: "Merge": supported values: "ApplyConfiguration", "JSONPatch"',
      'spec.mutations[2].jsonPatch: Required value: must be specified when patchType is JSONPatch',
      'spec.mutations[2].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
    ],
  ],
  [
    { mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: {} }] },
    ['spec.mutations[0].applyConfiguration.expression: Required value'],
  ],
];

describe('an admission policy', () => {
  it.each(WRONG)('is faulty with %j', (parts, faults) => {
    for (const [kind, spec] of POLICIES)
      expect(faultsOf(kind, { spec: { ...spec, ...parts } })).toEqual(faults);
  });

  it.each(WRONG_VALIDATING)('that validates is faulty with %j', (parts, faults) => {
    expect(faultsOf(ValidatingAdmissionPolicyKind, { spec: { ...validating, ...parts } })).toEqual(faults);
  });

  it('has no more than 20 audit annotations', () => {
    const auditAnnotations = Array.from({ length: 21 }, (_, i) => ({ key: `a${i}`, valueExpression: '1' }));
    expect(faultsOf(ValidatingAdmissionPolicyKind, { spec: { ...validating, auditAnnotations } })).toEqual([
      `spec.auditAnnotations: Invalid value: ${JSON.stringify(auditAnnotations)}: must not have more than 20 auditAnnotations`,
    ]);
  });

  it.each(WRONG_MUTATING)('that mutates is faulty with %j', (parts, faults) => {
    expect(faultsOf(MutatingAdmissionPolicyKind, { spec: { ...mutating, ...parts } })).toEqual(faults);
  });

  it('gets defaults', () => {
    const match = { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} };
    for (const [kind, spec] of POLICIES)
      expect(make(kind, { spec })).toMatchObject({
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: { ...match, resourceRules: [{ ...rule, scope: '*' }] },
        },
      });
  });

  it('gets its status from the server alone', () => {
    const policy = make(ValidatingAdmissionPolicyKind, {
      spec: validating,
      status: { observedGeneration: 7 },
    });
    ValidatingAdmissionPolicyKind.strategy.prepareForCreate!(policy);
    expect(policy.status).toEqual({});
  });

  it('has a status with complete warnings', () => {
    const status = { typeChecking: { expressionWarnings: [{}] }, conditions: [{ type: 'A', status: 'So' }] };
    expect(statusFaultsOf(ValidatingAdmissionPolicyKind, {}, { spec: validating, status })).toEqual([
      'status.typeChecking.expressionWarnings[0].warning: Required value',
      'status.typeChecking.expressionWarnings[0].fieldRef: Required value',
      'status.conditions[0].status: Unsupported value: "So": supported values: "False", "True", "Unknown"',
      'status.conditions[0].lastTransitionTime: Required value: must be set',
      'status.conditions[0].reason: Required value: must be set',
    ]);
  });

  it('is printed with its parameters', () => {
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
    for (const [kind, spec] of POLICIES) {
      const header = `Name|${kind === ValidatingAdmissionPolicyKind ? 'Validations' : 'Mutations'}|ParamKind|Age`;
      expectRow(kind, { spec: { ...spec, paramKind } }, header, 'x|1|v1/ConfigMap|24h');
      expectRow(kind, { spec: {} }, header, 'x|0|<unset>|24h');
    }
  });
});

const paramRef = { name: 'limits', parameterNotFoundAction: 'Deny' };
const binding = { policyName: 'few', validationActions: ['Deny'] };
const BINDINGS = [
  ValidatingAdmissionPolicyBindingKind,
  MutatingAdmissionPolicyBindingKind,
] as unknown as Kind[];

/** [the wrong parts of the spec, the faults], with both sorts of bindings. */
const WRONG_BINDINGS: [Parts, string[]][] = [
  [{ policyName: '' }, ['spec.policyName: Required value']],
  [{ policyName: 'A' }, [`spec.policyName: Invalid value: "A": ${SUBDOMAIN}`]],
  [
    { paramRef: {}, matchResources: { resourceRules: [{ ...rule, resources: [] }] } },
    [
      'spec.paramRef: Required value: one of name or selector must be specified',
      'spec.paramRef.parameterNotFoundAction: Required value',
      'spec.matchResources.resourceRules[0].resources: Required value',
    ],
  ],
  [
    { paramRef: { name: 'a/b', selector: { matchLabels: { a: '-' } }, parameterNotFoundAction: 'Ask' } },
    [
      'spec.paramRef.name: Invalid value: "a/b": may not contain \'/\'',
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
      "spec.paramRef.selector.matchLabels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.parameterNotFoundAction: Unsupported value: "Ask": supported values: "Deny", "Allow"',
    ],
  ],
];

/** [the actions, the faults]. */
const WRONG_ACTIONS: [string[], string[]][] = [
  [[], ['spec.validationActions: Required value: at least one validation action is required']],
  [
    ['Sing', 'Audit', 'Audit'],
    [
      'spec.validationActions[0]: Unsupported value: "Sing": supported values: "Audit", "Deny", "Warn"',
      'spec.validationActions[2]: Duplicate value: "Audit"',
    ],
  ],
  [
    ['Deny', 'Warn'],
    [
      'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    ],
  ],
];

describe('a binding of an admission policy', () => {
  it.each(WRONG_BINDINGS)('is faulty with %j', (parts, faults) => {
    for (const kind of BINDINGS) expect(faultsOf(kind, { spec: { ...binding, ...parts } })).toEqual(faults);
  });

  it.each(WRONG_ACTIONS)('is faulty with the actions %j', (validationActions, faults) => {
    const spec = { ...binding, validationActions };
    expect(faultsOf(ValidatingAdmissionPolicyBindingKind, { spec })).toEqual(faults);
  });

  it('that mutates is about what stays', () => {
    const matchResources = { resourceRules: [{ ...rule, operations: ['CREATE', 'DELETE'] }] };
    expect(faultsOf(MutatingAdmissionPolicyBindingKind, { spec: { ...binding, matchResources } })).toEqual([
      'spec.matchResources.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
    ]);
  });

  it('gets defaults', () => {
    for (const kind of BINDINGS)
      expect(
        make(kind, { spec: { ...binding, matchResources: { excludeResourceRules: [rule] } } }),
      ).toMatchObject({
        spec: {
          matchResources: {
            matchPolicy: 'Equivalent',
            namespaceSelector: {},
            objectSelector: {},
            excludeResourceRules: [{ ...rule, scope: '*' }],
          },
        },
      });
  });

  it('is printed with its parameters', () => {
    const selector = {
      matchLabels: { b: 'c', a: 'b' },
      matchExpressions: [{ key: 'd', operator: 'In', values: ['e', 'f'] }],
    };
    const rows: [Parts, string][] = [
      [{}, '<unset>'],
      [{ paramRef }, '*/limits'],
      [{ paramRef: { ...paramRef, namespace: 'default' } }, 'default/limits'],
      [
        { paramRef: { selector } },
        '&LabelSelector{MatchLabels:map[string]string{a: b,b: c,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:d,Operator:In,Values:[e f],},},}',
      ],
    ];
    for (const kind of BINDINGS)
      for (const [parts, cell] of rows)
        expectRow(
          kind,
          { spec: { ...binding, ...parts } },
          'Name|PolicyName|ParamRef|Age',
          `x|few|${cell}|24h`,
        );
  });
});
