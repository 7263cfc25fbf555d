import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { MutatingWebhookConfigurationKind } from '../kinds/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfigurationKind } from '../kinds/validating-webhook-configuration.ts';
import { expectRow, faultsOf, make, type Parts } from '../testing/objects.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const webhook = {
  name: 'check.example.com',
  admissionReviewVersions: ['v1'],
  clientConfig: { url: 'https://example.com' },
  sideEffects: 'None',
  rules: [rule],
};
const ANY_REVIEW = 'must specify one of v1, v1beta1';
const KINDS: Kind[] = [ValidatingWebhookConfigurationKind, MutatingWebhookConfigurationKind];

/** [the wrong parts of the only webhook, the faults]. */
const WRONG: [Parts, string[]][] = [
  [{ name: '' }, ['webhooks[0].name: Required value']],
  [
    { name: 'check.example' },
    [
      'webhooks[0].name: Invalid value: "check.example": should be a domain with at least three segments separated by dots',
    ],
  ],
  [
    { name: 'a..b.c' },
    [
      "webhooks[0].name: Invalid value: \"a..b.c\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [{ admissionReviewVersions: [] }, [`webhooks[0].admissionReviewVersions: Required value: ${ANY_REVIEW}`]],
  [
    { admissionReviewVersions: ['v2', 'v2'] },
    [
      'webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
      'webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1',
    ],
  ],
  [
    { failurePolicy: 'Panic', matchPolicy: 'Roughly', sideEffects: 'Some', timeoutSeconds: 31 },
    [
      'webhooks[0].failurePolicy: Unsupported value: "Panic": supported values: "Fail", "Ignore"',
      'webhooks[0].matchPolicy: Unsupported value: "Roughly": supported values: "Equivalent", "Exact"',
      'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
      'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    ],
  ],
  [
    { sideEffects: undefined, timeoutSeconds: 0 },
    [
      'webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun',
      'webhooks[0].timeoutSeconds: Invalid value: 0: the timeout value must be between 1 and 30 seconds',
    ],
  ],
  [
    {
      namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] },
      objectSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] },
      clientConfig: undefined,
    },
    [
      "webhooks[0].namespaceSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      "webhooks[0].objectSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      'webhooks[0].clientConfig: Required value: exactly one of url or service is required',
    ],
  ],
  [
    { matchConditions: [{ name: '', expression: ' ' }, ...Array(2).fill({ name: 'a', expression: 'true' })] },
    [
      'webhooks[0].matchConditions[0].expression: Required value',
      'webhooks[0].matchConditions[0].name: Required value',
      'webhooks[0].matchConditions[2].name: Duplicate value: "a"',
    ],
  ],
  [
    {
      matchConditions: Array.from({ length: 65 }, (_, index) => ({ name: `c${index}`, expression: 'true' })),
    },
    ['webhooks[0].matchConditions: Too many: 65: must have at most 64 items'],
  ],
  [
    { matchConditions: [{ name: '-', expression: 'true' }] },
    [
      "webhooks[0].matchConditions[0].name: Invalid value: \"-\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
];

/** [the wrong parts of the only rule, the faults]. */
const WRONG_RULES: [Parts, string[]][] = [
  [
    { operations: [], apiGroups: [], apiVersions: [], resources: [], scope: 'World' },
    [
      'operations: Required value',
      'apiGroups: Required value',
      'apiVersions: Required value',
      'resources: Required value',
      'scope: Unsupported value: "World": supported values: "*", "Cluster", "Namespaced"',
    ],
  ],
  [
    { operations: ['*', 'GET'], apiGroups: ['*', 'apps'], apiVersions: ['*', ''] },
    [
      'operations: Invalid value: ["*","GET"]: if \'*\' is present, must not specify other operations',
      'operations[1]: Unsupported value: "GET": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
      'apiGroups: Invalid value: ["*","apps"]: if \'*\' is present, must not specify other API groups',
      'apiVersions: Invalid value: ["*",""]: if \'*\' is present, must not specify other API versions',
      'apiVersions[1]: Required value',
    ],
  ],
  [
    { resources: ['*', 'pods', ''] },
    [
      'resources[2]: Required value',
      'resources: Invalid value: ["*","pods",""]: if \'*\' is present, must not specify other resources without subresources',
    ],
  ],
  [
    { resources: ['*/scale', 'a/*', 'a/status', 'b/scale'] },
    [
      'resources[2]: Invalid value: "a/status": if \'a/*\' is present, must not specify a/status',
      'resources[3]: Invalid value: "b/scale": if \'*/scale\' is present, must not specify b/scale',
    ],
  ],
  [
    { resources: ['*/*', 'pods'] },
    ['resources: Invalid value: ["*/*","pods"]: if \'*/*\' is present, must not specify other resources'],
  ],
];

describe('a webhook configuration', () => {
  it.each(WRONG)('is faulty with %j', (parts, faults) => {
    for (const kind of KINDS)
      expect(faultsOf(kind, { webhooks: [{ ...webhook, ...parts }] })).toEqual(faults);
  });

  it.each(WRONG_RULES)('is faulty with a rule with %j', (parts, faults) => {
    const rules = [{ ...rule, ...parts }];
    const expected = faults.map((fault) => `webhooks[0].rules[0].${fault}`);
    expect(faultsOf(KINDS[0]!, { webhooks: [{ ...webhook, rules }] })).toEqual(expected);
  });

  it.each([[['*']], [['pods', 'pods/*']], [['*', 'pods/status']], [['pods/status', 'pods/*']]])(
    'is right with a rule for %j',
    (resources) => {
      const rules = [{ ...rule, resources }];
      expect(faultsOf(KINDS[0]!, { webhooks: [{ ...webhook, rules }] })).toEqual([]);
    },
  );

  it('has each webhook once', () => {
    expect(faultsOf(KINDS[0]!, { webhooks: [webhook, webhook] })).toEqual([
      'webhooks[1].name: Duplicate value: "check.example.com"',
    ]);
  });

  it('of those that mutate says when they are asked again', () => {
    expect(
      faultsOf(MutatingWebhookConfigurationKind, {
        webhooks: [{ ...webhook, reinvocationPolicy: 'Always' }],
      }),
    ).toEqual([
      'webhooks[0].reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"',
    ]);
  });

  it('gets defaults', () => {
    const service = { namespace: 'a', name: 'b' };
    const { webhooks } = make(MutatingWebhookConfigurationKind, {
      webhooks: [{ ...webhook, clientConfig: { service } }],
    });
    expect(webhooks).toEqual([
      {
        ...webhook,
        clientConfig: { service: { ...service, port: 443 } },
        rules: [{ ...rule, scope: '*' }],
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        timeoutSeconds: 10,
        reinvocationPolicy: 'Never',
      },
    ]);
    const plain = make(ValidatingWebhookConfigurationKind, { webhooks: [webhook] });
    expect(plain.webhooks?.[0]).not.toHaveProperty('reinvocationPolicy');
  });

  it('is printed with its webhooks', () => {
    for (const kind of KINDS) {
      expectRow(kind, { webhooks: [webhook] }, 'Name|Webhooks|Age', 'x|1|24h');
      expectRow(kind, {}, 'Name|Webhooks|Age', 'x|0|24h');
    }
  });
});
