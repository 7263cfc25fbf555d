import { describe, expect, it } from 'vitest';
import { CustomResourceDefinitionKind } from '../kinds/custom-resource-definition.ts';
import type { JsonSchema } from '../semantics/json-schema.ts';
import { faultsOf, type Parts } from '../testing/objects.ts';
import { fieldAt } from './schema-path.ts';

const ROOT = 'spec.validation.openAPIV3Schema';
const names = { plural: 'widgets', kind: 'Widget' };

/** Faults of a definition whose only version has the schema. */
function faultsWith(schema: Parts, subresources?: Parts): string[] {
  return faultsOf(CustomResourceDefinitionKind, {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Cluster',
      names,
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources },
      ],
    },
  });
}

const object = (properties: Parts, more: Parts = {}) => ({ type: 'object', properties, ...more });
const string = { type: 'string' };
const invalid = (field: string, value: unknown, why: string) =>
  `${ROOT}.${field}: Invalid value: ${JSON.stringify(value)}: ${why}`;
const forbidden = (field: string, why: string) => `${ROOT}.${field}: Forbidden: ${why}`;
const required = (field: string, why: string) => `${ROOT}.${field}: Required value: ${why}`;
const unsupported = (field: string, value: string, ...values: string[]) =>
  `${ROOT}.${field}: Unsupported value: "${value}": supported values: ${values.map((each) => `"${each}"`).join(', ')}`;
const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const list = (more: Parts) => ({ type: 'array', items: string, ...more });
const LIST = 'x-kubernetes-list-type';
const MAP = 'x-kubernetes-map-type';
const KEYS = 'x-kubernetes-list-map-keys';
const RULES = 'x-kubernetes-validations';
const EMBEDDED = 'x-kubernetes-embedded-resource';
const PRESERVE = 'x-kubernetes-preserve-unknown-fields';
const INT_OR_STRING = 'x-kubernetes-int-or-string';
const A = 'properties[a]';

/** [what is wrong, the schema, the faults]. */
const WRONG: [string, Parts, string[]][] = [
  ['no type at the root', {}, [required('type', 'must not be empty at the root')]],
  [
    'a root of another type',
    { type: 'string', nullable: true },
    [
      forbidden('nullable', 'nullable cannot be true at the root'),
      invalid('type', 'string', 'must be object at the root'),
    ],
  ],
  [
    'fields and items without a type',
    object({ a: {}, b: { type: 'array', items: {} }, c: { type: 'array' } }),
    [
      required(`${A}.type`, 'must not be empty for specified object fields'),
      required('properties[b].items.type', 'must not be empty for specified array items'),
      required('properties[c].items', 'must be specified'),
    ],
  ],
  ['a type that there is not', object({ a: { type: 'text' } }), [unsupported(`${A}.type`, 'text', ...TYPES)]],
  [
    'null as a type',
    object({ a: { type: 'null' } }),
    [
      unsupported(`${A}.type`, 'null', ...TYPES),
      forbidden(`${A}.type`, 'type cannot be set to null, use nullable as an alternative'),
    ],
  ],
  [
    'other properties at the root',
    { type: 'object', additionalProperties: string },
    [forbidden('additionalProperties', 'must not be used at the root')],
  ],
  [
    'both properties and others',
    object({ a: object({ b: string }, { additionalProperties: false }) }),
    [forbidden(`${A}.additionalProperties`, 'additionalProperties and properties are mutual exclusive')],
  ],
  [
    'items that must differ',
    object({ a: list({ uniqueItems: true }) }),
    [
      forbidden(
        `${A}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    ],
  ],
  [
    'what is not supported',
    object({
      a: {
        ...string,
        id: 'x',
        additionalItems: false,
        patternProperties: { b: string },
        definitions: { b: string },
        dependencies: { b: ['c'] },
        $ref: '#/definitions/b',
      },
    }),
    ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'].map((name) =>
      forbidden(`${A}.${name}`, `${name} is not supported`),
    ),
  ],
  [
    'a schema for each item',
    object({ a: { type: 'array', items: [string] } }),
    [forbidden(`${A}.items`, 'items must be a schema object and not an array')],
  ],
  [
    'a name of a dialect',
    object({ a: { ...string, $schema: 'x' } }),
    [`${ROOT}: Invalid value: "": OpenAPIV3Schema 'schema' is not supported`],
  ],
  [
    'unknown fields that are not kept',
    object({ a: { type: 'object', [PRESERVE]: false } }),
    [invalid(`${A}.${PRESERVE}`, false, 'must be true or undefined')],
  ],
  [
    'a pattern that is none',
    object({ a: { ...string, pattern: '(' }, b: { ...string, pattern: '(?i)^(?P<x>a)$' } }),
    [
      expect.stringContaining(
        `${ROOT}.${A}.pattern: Invalid value: "(": must be a valid regular expression, but isn't: error parsing regexp: `,
      ) as unknown as string,
    ],
  ],
  [
    'metadata that says too much',
    object({ metadata: object({ labels: string }) }),
    [
      forbidden(
        'properties[metadata]',
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    ],
  ],
  [
    'metadata and types of other types',
    object({ metadata: string, kind: { type: 'object' }, apiVersion: { type: 'integer' } }),
    [
      invalid('properties[apiVersion].type', 'integer', 'must be string'),
      invalid('properties[kind].type', 'object', 'must be string'),
      invalid('properties[metadata].type', 'string', 'must be object'),
    ],
  ],
  [
    'defaults of metadata',
    object({ kind: { ...string, default: 'X' } }),
    [forbidden('properties[kind].default', 'must not be set in top-level kind')],
  ],
  [
    'defaults of labels of an embedded resource',
    object({
      a: object(
        { metadata: { type: 'object', additionalProperties: { ...string, default: 'x', [EMBEDDED]: true } } },
        { [EMBEDDED]: true },
      ),
    }),
    [
      required(
        `${A}.properties[metadata].additionalProperties.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
      invalid(
        `${A}.properties[metadata].additionalProperties.type`,
        'string',
        'must be object if x-kubernetes-embedded-resource is true',
      ),
      forbidden(
        `${A}.properties[metadata].additionalProperties.default`,
        'must not be set inside additionalProperties applying to object metadata',
      ),
      forbidden(
        `${A}.properties[metadata].additionalProperties.${EMBEDDED}`,
        'must not be used inside of resource meta',
      ),
    ],
  ],
  [
    'embedded resources without a type or with other properties',
    object({ a: { [EMBEDDED]: true, [PRESERVE]: true, additionalProperties: true } }),
    [
      forbidden(`${A}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'),
      required(`${A}.type`, 'must be object if x-kubernetes-embedded-resource is true'),
    ],
  ],
  [
    'numbers or strings that are more',
    object({ a: { type: 'object', [INT_OR_STRING]: true, [PRESERVE]: true, [EMBEDDED]: true } }),
    [EMBEDDED, PRESERVE].map((name) =>
      invalid(`${A}.${name}`, true, 'must be false if x-kubernetes-int-or-string is true'),
    ),
  ],
  [
    'a shape in a junctor',
    object({
      a: {
        ...string,
        allOf: [{ type: 'string', title: 't', description: 'd', default: 'x', nullable: true }],
      },
    }),
    [
      ['default', 'must be undefined to be structural'],
      ['description', 'must be empty to be structural'],
      ['nullable', 'must be false to be structural'],
      ['title', 'must be empty to be structural'],
      ['type', 'must be empty to be structural'],
    ].map(([name, why]) => forbidden(`${A}.allOf[0].${name}`, why!)),
  ],
  [
    'fields that are declared in a junctor only',
    object(
      { a: list({ items: { type: 'object' } }) },
      {
        oneOf: [{ properties: { a: { items: { not: { properties: { b: {} } } } } } }],
        not: { properties: { metadata: {}, c: {} } },
      },
    ),
    [
      forbidden('not.properties[metadata]', 'must not be specified in a nested context'),
      required(
        `${A}.items.properties[b]`,
        `because it is defined in ${ROOT}.oneOf[0].${A}.items.not.properties[b]`,
      ),
      required('properties[c]', `because it is defined in ${ROOT}.not.properties[c]`),
      required('properties[metadata]', `because it is defined in ${ROOT}.not.properties[metadata]`),
    ],
  ],
  [
    'types of maps and lists elsewhere',
    object({
      a: { [MAP]: 'loose', [LIST]: 'loose', [PRESERVE]: true },
      b: { ...string, [MAP]: 'atomic', [LIST]: 'atomic' },
    }),
    [
      required(`${A}.type`, 'must be object if x-kubernetes-map-type is specified'),
      unsupported(`${A}.${MAP}`, 'loose', 'atomic', 'granular'),
      required(`${A}.type`, 'must be array if x-kubernetes-list-type is specified'),
      unsupported(`${A}.${LIST}`, 'loose', 'atomic', 'set', 'map'),
      invalid('properties[b].type', 'string', 'must be object if x-kubernetes-map-type is specified'),
      invalid('properties[b].type', 'string', 'must be array if x-kubernetes-list-type is specified'),
    ],
  ],
  [
    'sets of what is not compared as a whole',
    object({
      a: list({ [LIST]: 'set', items: { type: 'object' } }),
      b: list({ [LIST]: 'set', items: list({ [LIST]: 'set', nullable: true }) }),
    }),
    [
      `${ROOT}.${A}.items.${MAP}: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`,
      invalid(
        `properties[b].items.${LIST}`,
        'set',
        'must be atomic as item of a list with x-kubernetes-list-type=set',
      ),
      forbidden('properties[b].items.nullable', 'cannot be nullable when x-kubernetes-list-type is set'),
    ],
  ],
  [
    'keys of what is no map',
    object({ a: list({ [KEYS]: ['k'] }), b: list({ [KEYS]: ['k'], [LIST]: 'set' }) }),
    [
      required(`${A}.${LIST}`, 'must be map if x-kubernetes-list-map-keys is non-empty'),
      invalid(`properties[b].${LIST}`, 'set', 'must be map if x-kubernetes-list-map-keys is non-empty'),
    ],
  ],
  [
    'maps without keys, of what is no object',
    object({ a: list({ [LIST]: 'map' }), b: { type: 'array', [LIST]: 'map', [KEYS]: ['k'] } }),
    [
      required('properties[b].items', 'must be specified'),
      required(`${A}.${KEYS}`, 'must not be empty if x-kubernetes-list-type is map'),
      invalid(`${A}.items.type`, 'string', "must be object if parent array's x-kubernetes-list-type is map"),
      required('properties[b].items', 'must have a schema if x-kubernetes-list-type is map'),
    ],
  ],
  [
    'a map with a schema for each item',
    object({ a: { type: 'array', items: [string], [LIST]: 'map', [KEYS]: ['k'] } }),
    [
      forbidden(`${A}.items`, 'items must be a schema object and not an array'),
      invalid(`${A}.items`, [string], 'must only have a single schema if x-kubernetes-list-type is map'),
    ],
  ],
  [
    'keys that do not tell items apart',
    object({
      a: list({
        [LIST]: 'map',
        [KEYS]: ['o', 'n', 'n', 'x'],
        items: object({ o: { type: 'object' }, n: { ...string, nullable: true } }, { required: ['o'] }),
      }),
    }),
    [
      invalid(
        `${A}.items.properties[o].type`,
        'object',
        "must be a scalar type if parent array's x-kubernetes-list-type is map",
      ),
      invalid(`${A}.${KEYS}`, ['o', 'n', 'n', 'x'], 'must not contain duplicate entries'),
      invalid(`${A}.${KEYS}`, ['o', 'n', 'n', 'x'], 'entries must all be names of item properties'),
      ...[0, 1].flatMap(() => [
        required(
          `${A}.items.properties[n].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
        forbidden(
          `${A}.items.properties[n].nullable`,
          'this property is in x-kubernetes-list-map-keys, so it cannot be nullable',
        ),
      ]),
    ],
  ],
  [
    'rules that say nothing',
    object(
      { a: string },
      {
        [RULES]: [
          { rule: ' ', messageExpression: ' ' },
          { rule: 'true', message: ' ' },
          { rule: 'true', message: 'a\nb', reason: 'Because' },
          { rule: 'true &&\ntrue', fieldPath: ' ' },
          { rule: 'true', fieldPath: '.b\n' },
        ],
      },
    ),
    [
      required(`${RULES}[0].rule`, 'rule is not specified'),
      required(`${RULES}[0].messageExpression`, 'messageExpression must be non-empty if specified'),
      invalid(`${RULES}[1].message`, ' ', 'message must be non-empty if specified'),
      invalid(`${RULES}[2].message`, 'a\nb', 'message must not contain line breaks'),
      unsupported(
        `${RULES}[2].reason`,
        'Because',
        'FieldValueDuplicate',
        'FieldValueForbidden',
        'FieldValueInvalid',
        'FieldValueRequired',
      ),
      required(`${RULES}[3].message`, 'message must be specified if rule contains line breaks'),
      invalid(`${RULES}[3].fieldPath`, ' ', 'fieldPath must be non-empty if specified'),
      invalid(`${RULES}[3].fieldPath`, ' ', 'fieldPath must be a valid path'),
      invalid(`${RULES}[4].fieldPath`, '.b\n', 'fieldPath must not contain line breaks'),
      invalid(`${RULES}[4].fieldPath`, '.b\n', 'fieldPath must be a valid path'),
    ],
  ],
];

describe('a schema is refused', () => {
  it.each(WRONG.map(([what, schema, faults]) => ({ what, schema, faults })))(
    'with $what',
    ({ schema, faults }) => {
      expect(faultsWith(schema)).toEqual(faults);
    },
  );

  it('when a status subresource would take part of it away', () => {
    expect(faultsWith({ type: 'array', items: string }, { status: {} })[0]).toBe(
      invalid(
        'type',
        'array',
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      ),
    );
    const schema = { type: 'object', maxProperties: 3 };
    expect(faultsWith(schema)).toEqual([]);
    expect(faultsWith(schema, { status: {} })).toEqual([
      `${ROOT}: Invalid value: ${JSON.stringify(schema)}: only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled`,
    ]);
  });
});

describe('a schema is taken', () => {
  it.each<[string, Parts]>([
    [
      'with metadata that narrows down names',
      object({ metadata: object({ name: { ...string, maxLength: 5 } }) }),
    ],
    [
      'with numbers or strings as controller tools write them',
      object({
        a: {
          [INT_OR_STRING]: true,
          allOf: [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }, { minLength: 1 }],
        },
      }),
    ],
    ['with anything at all', { type: 'object', [PRESERVE]: true }],
    ['with a map of lists', object({ a: { type: 'object', additionalProperties: list({}) } })],
    [
      'with junctors over what is declared',
      object({ a: object({ b: string }) }, { anyOf: [{ properties: { a: { required: ['b'] } } }] }),
    ],
    [
      'with keys that have defaults',
      object({
        a: list({ [LIST]: 'map', [KEYS]: ['k'], items: object({ k: { ...string, default: 'x' } }) }),
      }),
    ],
  ])('%s', (_what, schema) => {
    expect(faultsWith(schema)).toEqual([]);
  });
});

describe('a path into a schema', () => {
  const schema = object({
    spec: object({ 'a.b': string }),
    map: { type: 'object', additionalProperties: string },
  }) as JsonSchema;

  it.each([
    ['.spec', ['spec']],
    [".spec['a.b']", ['spec', 'a.b']],
    ['.map.any', ['map', 'any']],
    [".map['it\\'s']", ['map', "it's"]],
  ])('%s leads somewhere', (path, expected) => {
    expect(fieldAt(path, schema, true)).toMatchObject({ names: expected });
  });

  it.each([
    ['spec', 'expected [ or . but got: spec'],
    ['.', 'unexpected end of JSON path'],
    ['.spec[', 'unexpected end of JSON path'],
    ['.spec[a]', 'expected single quoted string but got a'],
    [".spec['a'", 'unexpected end of JSON path'],
    [".spec['a'.", 'expected ] but got .'],
    ['.spec.none', 'does not refer to a valid field'],
    ['.spec.toString', 'does not refer to a valid field'],
    [".spec['a.b'].c", 'does not refer to a valid field'],
  ])('%s does not', (path, fault) => {
    expect(fieldAt(path, schema, true)).toEqual({ fault });
  });

  it('has no brackets where they are not allowed', () => {
    expect(fieldAt(".spec['a.b']", schema, false)).toEqual({ fault: 'array notation is not allowed' });
  });
});
