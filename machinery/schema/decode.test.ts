import { describe, expect, test } from 'vitest';
import { decodeJson, type FieldValidation } from './decode.ts';
import { generatedSchemas } from './load.ts';

const schemas = generatedSchemas();
const deployment = schemas.kind('apps', 'v1', 'Deployment')!;
const pod = schemas.type('io.k8s.api.core.v1.Pod');

const decodePod = (body: unknown, level: FieldValidation = 'Strict') =>
  decodeJson(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...(body as object) }), pod, level);

describe('an object that is fine', () => {
  test('comes out as it is', () => {
    const body = {
      metadata: { name: 'a', labels: { x: 'y' } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    };
    expect(decodePod(body).object).toEqual({ apiVersion: 'v1', kind: 'Pod', ...body });
  });

  test('loses nulls and zeros that mean nothing, keeps those that mean something', () => {
    const { object } = decodePod({
      metadata: { name: 'a', creationTimestamp: null, labels: {}, generateName: '' },
      spec: {
        hostNetwork: false,
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers: [{ name: 'c', args: [], resources: {}, livenessProbe: null }],
        volumes: [{ name: 'v', emptyDir: {} }],
      },
      status: {},
    });
    expect(object).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
      spec: {
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers: [{ name: 'c', resources: {} }],
        volumes: [{ name: 'v', emptyDir: {} }],
      },
      status: {},
    });
  });

  test('has canonical quantities and times', () => {
    const { object } = decodePod({
      metadata: { creationTimestamp: '2026-01-01T01:00:00.5+01:00' },
      spec: { containers: [{ name: 'c', resources: { limits: { cpu: 0.5, memory: '1024Mi' } } }] },
    });
    expect(object).toMatchObject({
      metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { containers: [{ resources: { limits: { cpu: '500m', memory: '1Gi' } } }] },
    });
  });

  test('a null in a list or map is the zero of its type', () => {
    const { object } = decodePod({
      metadata: { labels: { a: null } },
      spec: { containers: [{ name: 'c', args: [null] }] },
    });
    expect(object).toMatchObject({ metadata: { labels: { a: '' } }, spec: { containers: [{ args: [''] }] } });
  });
});

describe('fields that are unknown or given twice', () => {
  const body =
    '{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1,"foo":{"a":1},"replicas":2,"template":{"spec":{"containers":[{"name":"c","imag":"x"}]}}},"Metadata":{}}';
  const faults = [
    'unknown field "spec.foo"',
    'duplicate field "spec.replicas"',
    'unknown field "spec.template.spec.containers[0].imag"',
    'unknown field "Metadata"',
  ];

  test('Strict refuses with the path of each', () => {
    expect(() => decodeJson(body, deployment, 'Strict')).toThrow(
      `Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ${faults.join(', ')}`,
    );
  });

  test('Warn drops and tells them, the last of two counts', () => {
    const { object, warnings } = decodeJson(body, deployment, 'Warn');
    expect(warnings).toEqual(faults);
    expect(object).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      spec: { replicas: 2, template: { spec: { containers: [{ name: 'c' }] } } },
    });
  });

  test('Ignore drops them silently', () => {
    expect(decodeJson(body, deployment, 'Ignore').warnings).toEqual([]);
  });

  test('quotes, braces and escapes inside strings confuse nobody', () => {
    const text = '{"metadata":{"annotations":{"a":"{\\"x\\":1,\\"x\\":2}\\\\","b\\"":":"}}}';
    expect(decodeJson(text, pod, 'Strict').warnings).toEqual([]);
    const twice = '{"metadata":{"annotations":{"b\\"":":", "b\\u0022" : "2"}}}';
    expect(() => decodeJson(twice, pod, 'Strict')).toThrow('duplicate field');
  });

  test('a member called __proto__ changes no prototype', () => {
    const { object } = decodeJson(
      '{"metadata":{"labels":{"__proto__":null}},"__proto__":{"a":1}}',
      pod,
      'Ignore',
    );
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(Object.hasOwn(object.metadata as object, 'labels')).toBe(true);
    expect((object as { a?: number }).a).toBeUndefined();
  });
});

describe('values of a wrong type', () => {
  const spec = (fields: object) => ({ spec: { containers: [{ name: 'c', ...fields }] } });
  test.each([
    [{ spec: 'x' }, 'json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec'],
    [
      { spec: { containers: {} } },
      'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      spec({ name: 1 }),
      'json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string',
    ],
    [
      spec({ imagePullPolicy: true }),
      'json: cannot unmarshal bool into Go struct field Container.spec.containers.imagePullPolicy of type v1.PullPolicy',
    ],
    [
      spec({ ports: [{ containerPort: 1.5 }] }),
      'json: cannot unmarshal number 1.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    ],
    [
      spec({ ports: [{ containerPort: '80' }] }),
      'json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    ],
    [
      { metadata: { labels: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [spec({ resources: { limits: { cpu: 'x' } } }), 'quantities must match the regular expression'],
    [
      { metadata: { creationTimestamp: 'yesterday' } },
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00"',
    ],
  ])('%j', (body, message) => {
    expect(() => decodePod(body)).toThrow(`Pod in version "v1" cannot be handled as a Pod: ${message}`);
  });

  test('replicas given as text name the field as Go does', () => {
    const body = '{"spec":{"replicas":"3"}}';
    expect(() => decodeJson(body, deployment)).toThrow(
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    );
  });
});

describe('bodies that are no object', () => {
  test.each(['', '{', 'null', '[]', '"x"', 'a: b'])('%j is refused as BadRequest', (body) => {
    expect(() => decodeJson(body, pod)).toThrow(expect.objectContaining({ reason: 'BadRequest', code: 400 }));
  });

  test('nesting has an end', () => {
    const deep = `{"metadata":${'{"x":'.repeat(5000)}1${'}'.repeat(5001)}`;
    expect(() => decodeJson(deep, pod)).toThrow('exceeded max depth');
    const crd = schemas.kind('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')!;
    const open = '{"openAPIV3Schema":'.length;
    const nested = `{"spec":{"versions":[{"schema":{"openAPIV3Schema":${'{"not":'.repeat(5000)}{}${'}'.repeat(5000)}}}]}}`;
    expect(open).toBeGreaterThan(0);
    expect(() => decodeJson(nested, crd)).toThrow('exceeded max depth');
  });
});

test('a CRD keeps schemas, booleans and lists where its unions allow them', () => {
  const crd = schemas.kind('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')!;
  const schema = {
    type: 'object',
    properties: {
      a: { items: { type: 'string', default: null }, enum: [1, 'x'] },
      b: { additionalProperties: true },
    },
    'x-kubernetes-preserve-unknown-fields': true,
  };
  const body = {
    spec: { versions: [{ name: 'v1', served: true, storage: false, schema: { openAPIV3Schema: schema } }] },
  };
  const { object } = decodeJson(JSON.stringify(body), crd, 'Strict');
  expect(object).toMatchObject({
    spec: {
      versions: [
        {
          storage: false,
          schema: { openAPIV3Schema: { properties: { b: { additionalProperties: true } } } },
        },
      ],
    },
  });
});

test('every type of the tables can be built', () => {
  const names = schemas.names();
  expect(names.length).toBeGreaterThan(500);
  for (const name of names)
    for (const field of schemas.type(name).fields.values()) expect(field.value.form).toBeTruthy();
  const kinds = names.filter((name) => schemas.type(name).gvk);
  expect(kinds).toContain('io.k8s.api.core.v1.Pod');
});
