import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { FlowSchemaKind } from '../kinds/flow-schema.ts';
import { PriorityLevelConfigurationKind } from '../kinds/priority-level-configuration.ts';
import {
  MANDATORY_LEVELS,
  MANDATORY_SCHEMAS,
  SUGGESTED_LEVELS,
  SUGGESTED_SCHEMAS,
} from '../semantics/flow-control.ts';
import { expectRow, faultsOf, make, type Parts, statusFaultsOf } from '../testing/objects.ts';
import { sameData } from './faults.ts';

const priorityLevelConfiguration = { name: 'global-default' };
const subjects = [{ kind: 'User', user: { name: 'ann' } }];
const resource = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] };
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VERBS = '"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"';

/** [the wrong parts of the spec, the faults]. */
const WRONG_SCHEMAS: [Parts, string[]][] = [
  [
    { priorityLevelConfiguration: undefined, matchingPrecedence: -1 },
    [
      'spec.matchingPrecedence: Invalid value: -1: must be a positive value',
      'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
    ],
  ],
  [
    { matchingPrecedence: 10_001, distinguisherMethod: { type: 'ByHand' } },
    [
      'spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000',
      'spec.distinguisherMethod.type: Unsupported value: {"type":"ByHand"}: supported values: "ByNamespace", "ByUser"',
    ],
  ],
  [
    { matchingPrecedence: 1, priorityLevelConfiguration: { name: 'A' } },
    [
      "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
      `spec.priorityLevelConfiguration.name: Invalid value: "A": ${SUBDOMAIN}`,
    ],
  ],
  [
    { rules: [{}] },
    [
      'spec.rules[0].subjects: Required value: subjects must contain at least one value',
      'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
    ],
  ],
  [
    {
      rules: [
        {
          subjects: [
            { kind: 'Team' },
            { kind: 'User' },
            { kind: 'Group', group: { name: '' }, user: { name: 'a' } },
            { kind: 'ServiceAccount', serviceAccount: { name: 'A' }, group: { name: 'a' } },
            { kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'B' } },
          ],
          resourceRules: [resource],
        },
      ],
    },
    [
      'spec.rules[0].subjects[0].kind: Unsupported value: "Team": supported values: "Group", "ServiceAccount", "User"',
      "spec.rules[0].subjects[1].user: Required value: user is required when subject kind is 'User'",
      'spec.rules[0].subjects[2].group.name: Required value',
      "spec.rules[0].subjects[2].user: Forbidden: user is forbidden when subject kind is not 'User'",
      `spec.rules[0].subjects[3].serviceAccount.name: Invalid value: "A": ${SUBDOMAIN}`,
      'spec.rules[0].subjects[3].serviceAccount.namespace: Required value: must specify namespace for service account',
      "spec.rules[0].subjects[3].group: Forbidden: group is forbidden when subject kind is not 'Group'",
      `spec.rules[0].subjects[4].serviceAccount.namespace: Invalid value: "B": ${LABEL}`,
    ],
  ],
  [
    { rules: [{ subjects, resourceRules: [{}, { ...resource, verbs: ['fly'], namespaces: ['A'] }] }] },
    [
      'spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value',
      'spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group',
      'spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource',
      'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
      `spec.rules[0].resourceRules[1].verbs: Unsupported value: ["fly"]: supported values: ${VERBS}`,
      `spec.rules[0].resourceRules[1].namespaces[0]: Invalid value: "A": each member of this list must be '*' or a DNS-1123 label; ${LABEL}`,
    ],
  ],
  [
    {
      rules: [
        {
          subjects,
          resourceRules: [
            {
              verbs: ['*', 'get'],
              apiGroups: ['*', 'apps'],
              resources: ['*', 'pods'],
              namespaces: ['*', 'default'],
            },
          ],
        },
      ],
    },
    [
      ['verbs', 'get', 'verbs'],
      ['apiGroups', 'apps', 'api groups'],
      ['resources', 'pods', 'resources'],
      ['namespaces', 'default', 'namespaces'],
    ].map(
      ([field, other, what]) =>
        `spec.rules[0].resourceRules[0].${field}: Invalid value: ["*","${other}"]: if '*' is present, must not specify other ${what}`,
    ),
  ],
  [
    {
      rules: [
        {
          subjects,
          nonResourceRules: [
            { verbs: ['get'] },
            { verbs: ['get'], nonResourceURLs: ['*', '/'] },
            { verbs: ['get'], nonResourceURLs: ['', 'a', '/a b', '//', '/a*', '/*/*', '/', '/a/*'] },
          ],
        },
      ],
    },
    [
      'spec.rules[0].nonResourceRules[0].nonResourceURLs: Required value: nonResourceURLs must contain at least one value',
      'spec.rules[0].nonResourceRules[1].nonResourceURLs: Invalid value: ["*","/"]: if \'*\' is present, must not specify other non-resource URLs',
      ...[
        ['', 'must not be empty'],
        ['a', 'must start with slash'],
        ['/a b', 'must not contain white-space'],
        ['//', 'must not contain double slash'],
        ['/a*', 'wildcard can only do suffix matching'],
        ['/*/*', 'wildcard can only do suffix matching'],
      ].map(
        ([path, why], index) =>
          `spec.rules[0].nonResourceRules[2].nonResourceURLs[${index}]: Invalid value: "${path}": ${why}`,
      ),
    ],
  ],
];

const reject = { type: 'Reject' };
const queue = (queuing: Parts) => ({ limitResponse: { type: 'Queue', queuing } });
const QUEUING = 'spec.limited.limitResponse.queuing';

/** [name, the wrong spec, the faults]. */
const WRONG_LEVELS: [string, Parts, string[]][] = [
  ['x', { type: 'Free' }, ['spec.type: Unsupported value: "Free": supported values: "Exempt", "Limited"']],
  [
    'x',
    { type: 'Exempt', limited: { limitResponse: reject } },
    [
      "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
      'spec.limited: Forbidden: must be nil if the type is not Limited',
    ],
  ],
  [
    'exempt',
    { type: 'Exempt', exempt: { nominalConcurrencyShares: -1, lendablePercent: 101 } },
    [
      'spec.exempt.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      'spec.exempt.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
    ],
  ],
  ['exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 10, lendablePercent: 50 } }, []],
  [
    'x',
    { type: 'Limited', exempt: {} },
    [
      'spec.exempt: Forbidden: must be nil if the type is Limited',
      'spec.limited: Required value: must not be empty when type is Limited',
    ],
  ],
  [
    'x',
    {
      type: 'Limited',
      limited: { nominalConcurrencyShares: -1, lendablePercent: -1, borrowingLimitPercent: -1 },
    },
    [
      'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      'spec.limited.limitResponse.type: Unsupported value: "": supported values: "Queue", "Reject"',
      'spec.limited.lendablePercent: Invalid value: -1: must be between 0 and 100, inclusive',
      'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
    ],
  ],
  [
    'x',
    { type: 'Limited', limited: { limitResponse: { ...reject, queuing: {} } } },
    [`${QUEUING}: Forbidden: must be nil if limited.limitResponse.type is not Limited`],
  ],
  [
    'x',
    { type: 'Limited', limited: { limitResponse: { type: 'Queue' } } },
    [`${QUEUING}: Required value: must not be empty if limited.limitResponse.type is Limited`],
  ],
  [
    'x',
    { type: 'Limited', limited: queue({ queues: -1, handSize: -1, queueLengthLimit: -1 }) },
    [
      `${QUEUING}.queueLengthLimit: Invalid value: -1: must be positive`,
      `${QUEUING}.queues: Invalid value: -1: must be positive`,
      `${QUEUING}.handSize: Invalid value: -1: must be positive`,
    ],
  ],
  [
    'x',
    { type: 'Limited', limited: queue({ queues: 2147483647, handSize: 3 }) },
    [
      `${QUEUING}.queues: Invalid value: 2147483647: must not be greater than 10000000`,
      `${QUEUING}.handSize: Invalid value: 3: required entropy bits of deckSize 2147483647 and handSize 3 should not be greater than 60`,
    ],
  ],
  [
    'x',
    { type: 'Limited', limited: queue({ queues: 512, handSize: 8 }) },
    [
      `${QUEUING}.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60`,
    ],
  ],
  [
    'x',
    { type: 'Limited', limited: queue({ queues: 7, handSize: 8 }) },
    [`${QUEUING}.handSize: Invalid value: 8: should not be greater than queues (7)`],
  ],
  ['x', { type: 'Limited', limited: queue({ queues: 10_000_000, handSize: 2 }) }, []],
];

describe('what is wrong is refused', () => {
  it.each(WRONG_SCHEMAS.map(([spec, faults]) => ({ spec, faults })))('$faults.0', ({ spec, faults }) => {
    expect(faultsOf(FlowSchemaKind, { spec: { priorityLevelConfiguration, ...spec } })).toEqual(faults);
  });

  it.each(WRONG_LEVELS.map(([name, spec, faults]) => ({ name, spec, faults })))(
    '$name: $faults.0',
    ({ name, spec, faults }) => {
      expect(faultsOf(PriorityLevelConfigurationKind, { metadata: { name }, spec })).toEqual(faults);
    },
  );

  it('what the server alone may say', () => {
    const annotations = { 'flowcontrol.k8s.io/preserve-zero-concurrency-shares': '' };
    const spec = { type: 'Limited', limited: { limitResponse: reject } };
    expect(faultsOf(PriorityLevelConfigurationKind, { metadata: { annotations }, spec })).toEqual([
      "metadata.annotations: Forbidden: annotation 'flowcontrol.k8s.io/preserve-zero-concurrency-shares' is forbidden",
    ]);
  });

  it.each([FlowSchemaKind, PriorityLevelConfigurationKind] as unknown as Kind[])(
    'conditions of $kind',
    (kind) => {
      const conditions = [{ type: 'A' }, { type: 'A' }, { type: '' }];
      expect(statusFaultsOf(kind, {}, { status: { conditions } })).toEqual([
        'status.conditions[1].type: Duplicate value: "A"',
        'status.conditions[2].type: Required value: must not be empty',
      ]);
    },
  );
});

describe('what every cluster has', () => {
  const levels = [...MANDATORY_LEVELS, ...SUGGESTED_LEVELS] as unknown as Parts[];
  const schemas = [...MANDATORY_SCHEMAS, ...SUGGESTED_SCHEMAS] as unknown as Parts[];

  it('is sound, and no defaults change it', () => {
    for (const level of levels) {
      expect(faultsOf(PriorityLevelConfigurationKind, level)).toEqual([]);
      expect(make(PriorityLevelConfigurationKind, level).spec).toEqual(level['spec']);
    }
    for (const schema of schemas) {
      expect(faultsOf(FlowSchemaKind, schema)).toEqual([]);
      expect(make(FlowSchemaKind, schema).spec).toEqual(schema['spec']);
    }
  });

  it('leads every schema to a level', () => {
    const names = [...MANDATORY_LEVELS, ...SUGGESTED_LEVELS].map(({ metadata }) => metadata.name);
    const wanted = [...MANDATORY_SCHEMAS, ...SUGGESTED_SCHEMAS].map(
      ({ spec }) => spec!.priorityLevelConfiguration.name,
    );
    expect(names.sort()).toEqual([...new Set(wanted)].sort());
  });

  it('stays as it is where it is mandatory', () => {
    const spec = { type: 'Limited', limited: { nominalConcurrencyShares: 6, limitResponse: reject } };
    const [fault] = faultsOf(PriorityLevelConfigurationKind, { metadata: { name: 'catch-all' }, spec });
    expect(fault).toMatch(/^spec: Invalid value: \{.*\}: spec of 'catch-all' must equal the fixed value$/);
    expect(faultsOf(PriorityLevelConfigurationKind, { metadata: { name: 'exempt' }, spec })).toEqual([
      "spec.type: Invalid value: \"Limited\": type must be 'Exempt' if and only if name is 'exempt'",
      expect.stringMatching(/: spec of 'exempt' except the 'spec.exempt' field must equal the fixed value$/),
    ]);
    const schema = { metadata: { name: 'exempt' }, spec: { priorityLevelConfiguration } };
    expect(faultsOf(FlowSchemaKind, schema)).toEqual([
      expect.stringMatching(/^spec: Invalid value: .*: spec of 'exempt' must equal the fixed value$/),
    ]);
    expect(sameData(MANDATORY_SCHEMAS[0]!.spec, schema.spec)).toBe(false);
  });
});

describe('what is left out is filled in', () => {
  it('of a schema', () => {
    expect(make(FlowSchemaKind, {}).spec).toEqual({
      priorityLevelConfiguration: { name: '' },
      matchingPrecedence: 1000,
    });
  });

  it('of a level', () => {
    const spec = { type: 'Limited', limited: queue({}), exempt: {} };
    expect(make(PriorityLevelConfigurationKind, { spec }).spec).toEqual({
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: 30,
        lendablePercent: 0,
        limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
      },
      exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 },
    });
  });

  it('and the status belongs to the server', () => {
    for (const kind of [FlowSchemaKind, PriorityLevelConfigurationKind] as unknown as Kind[]) {
      const object = make(kind, { status: { conditions: [{ type: 'A' }] } });
      kind.strategy.prepareForCreate!(object);
      expect(object).toMatchObject({ status: {} });
      expect((object as unknown as Parts)['status']).toEqual({});
    }
  });
});

describe('people read', () => {
  const header = 'Name|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL';

  it('schemas', () => {
    const kind = FlowSchemaKind as unknown as Kind;
    const spec = {
      priorityLevelConfiguration,
      matchingPrecedence: 5,
      distinguisherMethod: { type: 'ByUser' },
    };
    const status = { conditions: [{ type: 'Dangling', status: 'False' }] };
    expectRow(kind, { spec, status }, header, 'x|global-default|5|ByUser|24h|False');
    expectRow(kind, { spec: { priorityLevelConfiguration } }, header, 'x|global-default|1000|<none>|24h|?');
  });

  it('schemas in the order in which they are tried', () => {
    const names = [...SUGGESTED_SCHEMAS].reverse().toSorted(FlowSchemaKind.rowOrder!);
    expect(names.map(({ metadata }) => metadata.name)).toEqual(
      SUGGESTED_SCHEMAS.map(({ metadata }) => metadata.name),
    );
  });

  it('levels', () => {
    const kind = PriorityLevelConfigurationKind as unknown as Kind;
    const columns = 'Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age';
    const spec = { type: 'Limited', limited: queue({}) };
    expectRow(kind, { spec }, columns, 'x|Limited|30|64|8|50|24h');
    expectRow(kind, { spec: { type: 'Exempt' } }, columns, 'x|Exempt|<none>|<none>|<none>|<none>|24h');
  });
});
