import { CustomResourceDefinitionKind } from '../kinds/custom-resource-definition.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const names = {
  plural: 'widgets',
  singular: 'widget',
  shortNames: ['wg'],
  kind: 'Widget',
  listKind: 'WidgetList',
  categories: ['all'],
};
const metadata = { name: 'widgets.example.com' };

/** Says something in every way in which a schema can. */
const schema = {
  type: 'object',
  description: 'A widget.',
  required: ['spec'],
  externalDocs: { description: 'More.', url: 'https://example.com' },
  example: { spec: {} },
  'x-kubernetes-validations': [
    {
      rule: 'self.spec.replicas > 0',
      message: 'must have replicas',
      messageExpression: '"must have replicas"',
      reason: 'FieldValueInvalid',
      fieldPath: '.spec.replicas',
      optionalOldSelf: true,
    },
  ],
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object', properties: { name: { type: 'string', maxLength: 20 } } },
    spec: {
      type: 'object',
      title: 'Desired',
      minProperties: 1,
      maxProperties: 20,
      'x-kubernetes-map-type': 'granular',
      allOf: [{ required: ['replicas'] }],
      oneOf: [{ properties: { replicas: { minimum: 1 } } }],
      anyOf: [{ minProperties: 1 }],
      not: { required: ['none'] },
      properties: {
        replicas: {
          type: 'integer',
          format: 'int32',
          default: 1,
          minimum: 1,
          exclusiveMinimum: true,
          maximum: 9,
          exclusiveMaximum: true,
          multipleOf: 1,
        },
        size: {
          type: 'string',
          enum: ['S', 'L'],
          minLength: 1,
          maxLength: 1,
          pattern: '^[SL]$',
          nullable: true,
        },
        none: { type: 'string' },
        port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
        parts: {
          type: 'array',
          minItems: 1,
          maxItems: 3,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
        },
        template: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
      },
    },
    status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};

export const apiExtensionSpecimens: readonly Specimen[] = [
  specimenOf(CustomResourceDefinitionKind, {
    'two versions': {
      metadata,
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names,
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: schema },
            subresources: {
              status: {},
              scale: {
                specReplicasPath: '.spec.replicas',
                statusReplicasPath: '.status.replicas',
                labelSelectorPath: '.status.selector',
              },
            },
            additionalPrinterColumns: [
              {
                name: 'Replicas',
                type: 'integer',
                format: 'int32',
                description: 'How many.',
                priority: 1,
                jsonPath: '.spec.replicas',
              },
            ],
            selectableFields: [{ jsonPath: '.spec.size' }],
          },
          {
            name: 'v1alpha1',
            served: true,
            storage: false,
            deprecated: true,
            deprecationWarning: 'use v1',
            schema: {
              openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        ],
        conversion: {
          strategy: 'Webhook',
          webhook: {
            conversionReviewVersions: ['v1'],
            clientConfig: {
              service: { namespace: 'default', name: 'convert', path: '/convert', port: 8443 },
              caBundle: 'AAAA',
            },
          },
        },
      },
    },
    'conversion elsewhere': {
      metadata,
      spec: {
        group: 'example.com',
        scope: 'Cluster',
        names,
        versions: [
          { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
        ],
        conversion: {
          strategy: 'Webhook',
          webhook: {
            conversionReviewVersions: ['v1'],
            clientConfig: { url: 'https://example.com/convert' },
          },
        },
      },
    },
  }),
];
