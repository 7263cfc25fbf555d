/** The refusals of small core kinds that no other test meets. */
import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { ConfigMapKind } from '../kinds/config-map.ts';
import { DeploymentKind } from '../kinds/deployment.ts';
import { NamespaceKind } from '../kinds/namespace.ts';
import { PriorityClassKind } from '../kinds/priority-class.ts';
import { RoleBindingKind } from '../kinds/role-binding.ts';
import { SecretKind } from '../kinds/secret.ts';
import { changeFaultsOf, faultsOf } from '../specimens/made.ts';

type Parts = Record<string, unknown>;

const KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const NAME =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

describe('a new object', () => {
  it.each<[Kind, Parts, string[]]>([
    [ConfigMapKind as Kind, { binaryData: { 'a b': '' } }, [`binaryData[a b]: Invalid value: "a b": ${KEY}`]],
    [SecretKind as Kind, { data: { 'a b': '' } }, [`data[a b]: Invalid value: "a b": ${KEY}`]],
    [
      NamespaceKind as Kind,
      { spec: { finalizers: ['_'] } },
      [`spec.finalizers: Invalid value: "_": ${NAME}`],
    ],
    [
      RoleBindingKind as Kind,
      {
        roleRef: { kind: 'Role', name: 'r' },
        subjects: [{ kind: 'ServiceAccount', name: 'A', namespace: 'default' }],
      },
      [`subjects[0].name: Invalid value: "A": ${SUBDOMAIN}`],
    ],
    [
      ConfigMapKind as Kind,
      { metadata: { generateName: 'A-' } },
      [`metadata.generateName: Invalid value: "A-": ${SUBDOMAIN}`],
    ],
  ])('%# is refused', (kind, parts, faults) => {
    expect(faultsOf(kind, parts)).toEqual(faults);
  });
});

describe('a change', () => {
  const FROZEN = 'Forbidden: field is immutable when `immutable` is set';
  it.each<[Kind, Parts, Parts, string[]]>([
    [
      ConfigMapKind as Kind,
      { immutable: true, binaryData: { a: '' } },
      { immutable: true, binaryData: { b: '' } },
      [`binaryData: ${FROZEN}`],
    ],
    [
      ConfigMapKind as Kind,
      { immutable: true, data: { a: '' } },
      { immutable: true, data: {} },
      [`data: ${FROZEN}`],
    ],
    [SecretKind as Kind, { immutable: true }, {}, [`immutable: ${FROZEN}`]],
    [
      PriorityClassKind as Kind,
      { value: 1 },
      { value: 1, preemptionPolicy: 'Never' },
      ['preemptionPolicy: Invalid value: "Never": field is immutable'],
    ],
    [
      ConfigMapKind as Kind,
      {},
      { metadata: { namespace: 'other' } },
      ['metadata.namespace: Invalid value: "other": field is immutable'],
    ],
  ])('%# is refused', (kind, before, after, faults) => {
    expect(changeFaultsOf(kind, before, after)).toEqual(faults);
  });
});

describe('a deployment', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { selector: { matchLabels: { a: 'b' } }, template };

  it('has a deadline that lies ahead', () => {
    expect(faultsOf(DeploymentKind, { spec: { ...spec, progressDeadlineSeconds: -1 } })).toEqual([
      'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds',
    ]);
  });

  it('has a selector with values that labels can have', () => {
    const expressions = [{ key: 'a', operator: 'In', values: ['!'] }];
    const selector = { matchLabels: { a: 'b' }, matchExpressions: expressions };
    expect(faultsOf(DeploymentKind, { spec: { ...spec, selector } })[0]).toBe(
      `spec.selector.matchExpressions[0].values[0]: Invalid value: "!": ${VALUE}`,
    );
  });
});
