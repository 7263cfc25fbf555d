import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { CustomResourceDefinitionKind } from '../kinds/custom-resource-definition.ts';
import { changeFaultsOf, expectRow, faultsOf, make, type Parts, statusFaultsOf } from '../testing/objects.ts';

const DNS_1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const schema = { openAPIV3Schema: { type: 'object' } };
const v1 = { name: 'v1', served: true, storage: true, schema };
const v2 = { ...v1, name: 'v2', storage: false };
const names = { plural: 'widgets', kind: 'Widget' };
const metadata = { name: 'widgets.example.com' };
const SPEC = { group: 'example.com', scope: 'Namespaced', names, versions: [v1] };

function definition(spec: Parts = {}, more: Parts = {}): Parts {
  return { metadata, spec: { ...SPEC, ...spec }, ...more };
}

const invalid = (field: string, value: unknown, why: string) =>
  `${field}: Invalid value: ${JSON.stringify(value)}: ${why}`;
const COLUMN_TYPES = 'must be one of boolean,date,integer,number,string';
const columns = [
  { name: '', type: '', jsonPath: '' },
  { name: 'a', type: 'text', format: 'long', jsonPath: 'spec' },
  { name: 'b', type: 'date', format: 'date', jsonPath: '.spec' },
];
const columnFaults = (field: string) => [
  `${field}[0].name: Required value`,
  `${field}[0].type: Required value: ${COLUMN_TYPES}`,
  `${field}[0].JSONPath: Required value`,
  invalid(`${field}[1].type`, 'text', COLUMN_TYPES),
  invalid(
    `${field}[1].format`,
    'long',
    'must be one of byte,date,date-time,double,float,int32,int64,password',
  ),
  invalid(`${field}[1].JSONPath`, 'spec', 'must be a simple json path starting with .'),
];
const scale = (spec: string, status: string, selector?: string) => ({
  scale: { specReplicasPath: spec, statusReplicasPath: status, labelSelectorPath: selector },
});
const selectable = {
  type: 'object',
  properties: {
    metadata: { type: 'object', properties: { name: { type: 'string' } } },
    spec: {
      type: 'object',
      properties: {
        ...Object.fromEntries([...'abcdefghi'].map((name) => [name, { type: 'string' }])),
        list: { type: 'array', items: { type: 'string' } },
      },
    },
  },
};
const fields = (...paths: string[]) => paths.map((jsonPath) => ({ jsonPath }));

/** [what is wrong, the parts of the spec, the faults]. */
const WRONG: [string, Parts, string[]][] = [
  [
    'no group and no scope',
    { group: '', scope: '' },
    [
      invalid('metadata.name', 'widgets.example.com', 'must be spec.names.plural+"."+spec.group'),
      'spec.group: Required value',
      'spec.scope: Required value',
    ],
  ],
  [
    'a scope of another sort',
    { scope: 'World' },
    ['spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'],
  ],
  [
    'versions without schemas',
    {
      versions: [
        { ...v1, schema: undefined },
        { ...v2, schema: {} },
      ],
    },
    [0, 1].map((at) => `spec.versions[${at}].schema.openAPIV3Schema: Required value: schemas are required`),
  ],
  [
    'versions of one name, and none to store',
    {
      versions: [
        { ...v1, storage: false },
        { ...v2, name: 'v1' },
      ],
    },
    ['must contain unique version names', 'must have exactly one version marked as storage version'].map(
      (why) => expect.stringMatching(new RegExp(`^spec.versions: Invalid value: .*: ${why}$`)),
    ),
  ],
  [
    'a version that is none',
    { versions: [{ ...v1, name: 'V1' }] },
    [invalid('spec.versions[0].name', 'V1', DNS_1035), invalid('spec.version', 'V1', DNS_1035)],
  ],
  [
    'warnings where nothing is deprecated, that are too long, or not to be printed',
    {
      versions: [
        { ...v1, deprecationWarning: 'x' },
        { ...v2, deprecated: true, deprecationWarning: 'é'.repeat(257) },
        { ...v2, name: 'v3', deprecated: true, deprecationWarning: 'a b\tc' },
      ],
    },
    [
      invalid('spec.versions[0].deprecationWarning', 'x', 'can only be set for deprecated versions'),
      invalid('spec.versions[1].deprecationWarning', 'é'.repeat(257), 'must be <= 256 characters long'),
      invalid(
        'spec.versions[2].deprecationWarning',
        'a b\tc',
        'must only contain printable UTF-8 characters; non-printable character found at index 3',
      ),
    ],
  ],
  [
    'no names',
    { names: { plural: '' } },
    [
      invalid('metadata.name', 'widgets.example.com', 'must be spec.names.plural+"."+spec.group'),
      ...['plural', 'singular', 'kind', 'listKind'].map((name) => `spec.names.${name}: Required value`),
    ],
  ],
  [
    'names that are none',
    {
      names: {
        ...names,
        kind: 'W_',
        listKind: 'W_',
        singular: 'W',
        shortNames: ['w', 'W'],
        categories: ['all', 'A'],
      },
    },
    [
      invalid('spec.names.singular', 'W', DNS_1035),
      invalid('spec.names.kind', 'W_', `may have mixed case, but should otherwise match: ${DNS_1035}`),
      invalid('spec.names.listKind', 'W_', `may have mixed case, but should otherwise match: ${DNS_1035}`),
      invalid('spec.names.shortNames[1]', 'W', DNS_1035),
      invalid('spec.names.listKind', 'W_', 'kind and listKind may not be the same'),
      invalid('spec.names.categories[1]', 'A', DNS_1035),
    ],
  ],
  [
    'unknown fields that are kept',
    { preserveUnknownFields: true, conversion: { strategy: 'Webhook', webhook: WEBHOOK() } },
    [
      invalid('spec.conversion.strategy', 'Webhook', 'must be None if spec.preserveUnknownFields is true'),
      invalid(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    ],
  ],
  [
    'columns of the only version',
    { versions: [{ ...v1, additionalPrinterColumns: columns }] },
    columnFaults('spec.additionalPrinterColumns'),
  ],
  [
    'columns of one of two',
    { versions: [{ ...v1, additionalPrinterColumns: columns }, v2] },
    columnFaults('spec.versions[0].additionalPrinterColumns'),
  ],
  [
    'paths of a scale that lead elsewhere',
    { versions: [{ ...v1, subresources: scale('', 'x', '.metadata') }] },
    [
      'spec.subresources.scale.specReplicasPath: Required value',
      invalid(
        'spec.subresources.scale.statusReplicasPath',
        'x',
        'must be a simple json path starting with .',
      ),
      invalid(
        'spec.subresources.scale.labelSelectorPath',
        '.metadata',
        'should be a json path under either .spec or .status',
      ),
    ],
  ],
  [
    'those of one of two versions',
    { versions: [v1, { ...v2, subresources: scale('.status.a', '.spec.a') }] },
    [
      invalid(
        'spec.versions[1].subresources.scale.specReplicasPath',
        '.status.a',
        'should be a json path under .spec',
      ),
      invalid(
        'spec.versions[1].subresources.scale.statusReplicasPath',
        '.spec.a',
        'should be a json path under .status',
      ),
    ],
  ],
  [
    'fields that nothing can be selected by',
    {
      versions: [
        {
          ...v1,
          schema: { openAPIV3Schema: selectable },
          selectableFields: fields('', '.spec.none', '.metadata.name', '.spec.list', '.spec.a', '.spec.a'),
        },
      ],
    },
    [
      'spec.selectableFields[0].jsonPath: Required value',
      invalid(
        'spec.selectableFields[1].jsonPath',
        '.spec.none',
        'is an invalid path: does not refer to a valid field',
      ),
      invalid('spec.selectableFields[2].jsonPath', '.metadata.name', 'must not point to fields in metadata'),
      invalid(
        'spec.selectableFields[3].jsonPath',
        '.spec.list',
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      ),
      'spec.selectableFields[5].jsonPath: Duplicate value: ".spec.a"',
    ],
  ],
  [
    'more fields than eight',
    {
      versions: [
        {
          ...v1,
          schema: { openAPIV3Schema: selectable },
          selectableFields: fields(...[...'abcdefghi'].map((name) => `.spec.${name}`)),
        },
      ],
    },
    ['spec.selectableFields: Too many: 9: must have at most 8 items'],
  ],
  [
    'fields of what has no schema',
    { versions: [{ ...v1, schema: undefined, selectableFields: fields('.a') }] },
    [
      'spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required',
      invalid(
        'spec.selectableFields',
        '',
        'selectableFields may only be set when validations.schema is included',
      ),
    ],
  ],
];

function WEBHOOK(client: Parts | undefined = { url: 'https://a' }, conversionReviewVersions = ['v1']): Parts {
  return { clientConfig: client, conversionReviewVersions };
}

const CLIENT = 'spec.conversion.webhookClientConfig';
const VERSIONS = 'spec.conversion.conversionReviewVersions';
const FORM = '; desired format: https://host[/path]';

/** [the conversion, the faults]. */
const CONVERSIONS: [Parts, string[]][] = [
  [
    { strategy: 'Magic' },
    ['spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"'],
  ],
  [
    { strategy: 'None', webhook: WEBHOOK() },
    [CLIENT, VERSIONS].map(
      (field) => `${field}: Forbidden: should not be set when strategy is not set to Webhook`,
    ),
  ],
  [
    { strategy: 'Webhook' },
    [`${CLIENT}: Required value: required when strategy is set to Webhook`, `${VERSIONS}: Required value`],
  ],
  [
    { strategy: 'Webhook', webhook: WEBHOOK({}, ['v2', 'v2', 'V3']) },
    [
      `${CLIENT}: Required value: exactly one of url or service is required`,
      invalid(`${VERSIONS}[1]`, 'v2', 'duplicate version'),
      invalid(`${VERSIONS}[2]`, 'V3', DNS_1035),
      invalid(VERSIONS, ['v2', 'v2', 'V3'], 'must include at least one of v1, v1beta1'),
    ],
  ],
  [
    { strategy: 'Webhook', webhook: WEBHOOK({ url: 'http://u@:1?q#f' }) },
    [
      invalid(`${CLIENT}.url`, 'http', `'https' is the only allowed URL scheme${FORM}`),
      invalid(`${CLIENT}.url`, 'u', 'user information is not permitted in the URL'),
      invalid(`${CLIENT}.url`, 'f', 'fragments are not permitted in the URL'),
      invalid(`${CLIENT}.url`, 'q', 'query parameters are not permitted in the URL'),
    ],
  ],
  [
    { strategy: 'Webhook', webhook: WEBHOOK({ url: 'https:///a' }) },
    [invalid(`${CLIENT}.url`, '', `host must be provided${FORM}`)],
  ],
  ...(
    [
      ['a\nb', 'net/url: invalid control character in URL'],
      [':a', 'missing protocol scheme'],
      ['https://a/%zz', 'invalid URL escape "%zz"'],
      ['https://a b', 'invalid character " " in host name'],
      ['https://a:b/c', 'invalid port ":b" after host'],
    ] as const
  ).map(([url, why]): [Parts, string[]] => [
    { strategy: 'Webhook', webhook: WEBHOOK({ url }) },
    [`${CLIENT}.url: Required value: url must be a valid URL: parse ${JSON.stringify(url)}: ${why}${FORM}`],
  ]),
  [
    { strategy: 'Webhook', webhook: WEBHOOK({ service: { port: 0, path: 'a//B' } }) },
    [
      `${CLIENT}.service.name: Required value: service name is required`,
      `${CLIENT}.service.namespace: Required value: service namespace is required`,
      invalid(`${CLIENT}.service.port`, 0, 'port is not valid: must be between 1 and 65535, inclusive'),
      invalid(`${CLIENT}.service.path`, 'a//B', "must start with a '/'"),
      ...[0, 1].map((at) => invalid(`${CLIENT}.service.path`, 'a//B', `segment[${at}] may not be empty`)),
      expect.stringContaining('segment[2]: a lowercase RFC 1123 subdomain') as unknown as string,
    ],
  ],
  [
    { strategy: 'Webhook', webhook: WEBHOOK({ service: { name: 'a', namespace: 'b', path: '//' } }) },
    [invalid(`${CLIENT}.service.path`, '//', 'segment[0] may not be empty')],
  ],
];

describe('a definition is refused', () => {
  it.each(WRONG.map(([what, spec, faults]) => ({ what, spec, faults })))('with $what', ({ spec, faults }) => {
    expect(faultsOf(CustomResourceDefinitionKind, definition(spec))).toEqual(faults.concat(storedOf(spec)));
  });

  it.each(CONVERSIONS.map(([conversion, faults]) => ({ conversion, faults })))(
    'with a conversion: $faults.0',
    ({ conversion, faults }) => {
      expect(faultsOf(CustomResourceDefinitionKind, definition({ conversion }))).toEqual(faults);
    },
  );

  it('in a group that is none', () => {
    const inGroup = (group: string) =>
      faultsOf(CustomResourceDefinitionKind, {
        ...definition({ group }),
        metadata: { name: `widgets.${group}` },
      });
    expect(inGroup('com')).toEqual([
      invalid('spec.group', 'com', 'should be a domain with at least one dot'),
    ]);
    expect(inGroup('a.B')).toEqual([
      expect.stringMatching(/^metadata.name: Invalid value: "widgets.a.B"/),
      expect.stringMatching(/^spec.group: Invalid value: "a.B": a lowercase RFC 1123 subdomain/),
    ]);
  });

  it('in a group of Kubernetes that nobody has approved', () => {
    const approved = (value: string | undefined) =>
      faultsOf(CustomResourceDefinitionKind, {
        ...definition({ group: 'x.k8s.io' }),
        metadata: {
          name: 'widgets.x.k8s.io',
          ...(value && { annotations: { 'api-approved.kubernetes.io': value } }),
        },
      });
    const field = 'metadata.annotations[api-approved.kubernetes.io]';
    const must = 'protected groups must have approval annotation "api-approved.kubernetes.io"';
    const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
    expect(approved(undefined)).toEqual([`${field}: Required value: ${must}, ${see}`]);
    expect(approved('sure')).toEqual([
      invalid(field, 'sure', `${must} with either a URL or a reason starting with "unapproved", ${see}`),
    ]);
    expect(approved('unapproved, for tests')).toEqual([]);
    expect(approved('https://example.com/1')).toEqual([]);
  });

  it('without the defaults that its unknown fields would need', () => {
    const openAPIV3Schema = { type: 'object', properties: { a: { type: 'string', default: 'x' } } };
    const spec = { preserveUnknownFields: true, versions: [{ ...v1, schema: { openAPIV3Schema } }] };
    expect(faultsOf(CustomResourceDefinitionKind, definition(spec))[0]).toBe(
      invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'),
    );
  });
});

/** A definition without a storage version has stored nothing. */
function storedOf({ versions }: Parts): string[] {
  const stores = ((versions as (typeof v1)[] | undefined) ?? [v1]).some(({ storage }) => storage);
  return stores ? [] : [invalid('status.storedVersions', [], 'must have at least one stored version')];
}

describe('what is stored', () => {
  const stored = (...storedVersions: string[]) => definition({}, { status: { storedVersions } });

  it('has a version to be read by', () => {
    expect(faultsOf(CustomResourceDefinitionKind, stored('v0', 'v1'))).toEqual([
      invalid(
        'status.storedVersions[0]',
        'v0',
        'missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions',
      ),
    ]);
    expect(faultsOf(CustomResourceDefinitionKind, stored('v0'))[0]).toBe(
      invalid('status.storedVersions', ['v0'], 'must have the storage version v1'),
    );
  });

  it('is noted when the storage version changes', () => {
    const { strategy } = CustomResourceDefinitionKind;
    const made = make(CustomResourceDefinitionKind, definition({}, { status: { conditions: [] } }));
    strategy.prepareForCreate!(made);
    expect(made.status).toEqual({ acceptedNames: { plural: '', kind: '' }, storedVersions: ['v1'] });
    const versions = [
      { ...v1, storage: false },
      { ...v2, storage: true },
    ];
    const changed = make(CustomResourceDefinitionKind, definition({ versions }, { status: made.status }));
    strategy.prepareForUpdate!(changed, made);
    expect(changed.status!.storedVersions).toEqual(['v1', 'v2']);
  });
});

describe('a definition', () => {
  it('gets its names, its conversion and the port of a webhook', () => {
    const { spec } = make(CustomResourceDefinitionKind, definition());
    expect(spec).toEqual({
      ...SPEC,
      names: { ...names, singular: 'widget', listKind: 'WidgetList' },
      conversion: { strategy: 'None' },
    });
    const service = { name: 'a', namespace: 'b' };
    const conversion = { strategy: 'Webhook', webhook: WEBHOOK({ service }) };
    const other = make(CustomResourceDefinitionKind, definition({ conversion }));
    expect(other.spec!.conversion!.webhook!.clientConfig!.service).toEqual({ ...service, port: 443 });
    expect(faultsOf(CustomResourceDefinitionKind, definition({ conversion }))).toEqual([]);
  });

  it('keeps its group and plural, and once established its scope and kind', () => {
    const after = definition({ group: 'b.c', scope: 'Cluster', names: { plural: 'things', kind: 'Thing' } });
    const immutable = (field: string, value: string) => invalid(field, value, 'field is immutable');
    const always = [immutable('spec.group', 'b.c'), immutable('spec.names.plural', 'things')];
    expect(changeFaultsOf(CustomResourceDefinitionKind, definition(), after)).toEqual(always);
    const conditions = [{ type: 'Established', status: 'True' }];
    const established = definition({}, { status: { conditions } });
    expect(changeFaultsOf(CustomResourceDefinitionKind, established, after)).toEqual([
      immutable('spec.scope', 'Cluster'),
      immutable('spec.names.kind', 'Thing'),
      ...always,
    ]);
  });

  it('is accepted under sound names', () => {
    const status = { acceptedNames: { plural: 'A', kind: 'B' } };
    expect(statusFaultsOf(CustomResourceDefinitionKind, definition(), definition({}, { status }))).toEqual([
      invalid('status.acceptedNames.plural', 'A', DNS_1035),
    ]);
  });

  it('is printed with when it was made', () => {
    const kind = CustomResourceDefinitionKind as unknown as Kind;
    expectRow(kind, definition(), 'Name|Created At', 'widgets.example.com|2025-12-31T12:00:00Z');
  });
});
