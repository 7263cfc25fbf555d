import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { ClusterRoleKind } from '../kinds/cluster-role.ts';
import { ClusterRoleBindingKind } from '../kinds/cluster-role-binding.ts';
import { ConfigMapKind } from '../kinds/config-map.ts';
import { EndpointSliceKind } from '../kinds/endpoint-slice.ts';
import { EndpointsKind } from '../kinds/endpoints.ts';
import { EventKind } from '../kinds/event.ts';
import { EventsEventKind } from '../kinds/events-event.ts';
import { LeaseKind } from '../kinds/lease.ts';
import { NamespaceKind } from '../kinds/namespace.ts';
import { NodeKind } from '../kinds/node.ts';
import { PriorityClassKind } from '../kinds/priority-class.ts';
import { RoleKind } from '../kinds/role.ts';
import { RoleBindingKind } from '../kinds/role-binding.ts';
import { SecretKind } from '../kinds/secret.ts';
import type { ApiObject } from '../objects.ts';
import { faultText } from './fault-text.ts';

type Parts = Record<string, unknown>;

function make<T extends ApiObject>(kind: Kind<T>, parts: Parts): T {
  const metadata = { name: 'x', ...(kind.namespaced && { namespace: 'default' }) };
  const object = { apiVersion: 'v1', kind: kind.kind, metadata, ...structuredClone(parts) } as unknown as T;
  kind.strategy.defaults?.(object);
  return object;
}

const rbac = 'rbac.authorization.k8s.io';
const role = { roleRef: { kind: 'ClusterRole', name: 'view' } };
const megabyte = 'a'.repeat(1024 * 1024 + 1);
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** [kind, the wrong parts, the faults]. */
const WRONG: [Kind, Parts, unknown[]][] = [
  [
    ConfigMapKind as Kind,
    { data: { 'a/b': '', c: '' }, binaryData: { c: '' } },
    [
      "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      'data[c]: Invalid value: "c": duplicate of key present in binaryData',
    ],
  ],
  [ConfigMapKind as Kind, { data: { big: megabyte } }, ['[]: Too long: may not be more than 1048576 bytes']],
  [
    SecretKind as Kind,
    { stringData: { big: megabyte } },
    ['data: Too long: may not be more than 1048576 bytes'],
  ],
  [
    SecretKind as Kind,
    { data: { a: '***' } },
    ['data[a]: Invalid value: "<secret contents redacted>": must be valid base64'],
  ],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/tls' },
    ['data[tls.crt]: Required value', 'data[tls.key]: Required value'],
  ],
  [SecretKind as Kind, { type: 'kubernetes.io/ssh-auth' }, ['data[ssh-privatekey]: Required value']],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/basic-auth' },
    ['data[username]: Required value', 'data[password]: Required value'],
  ],
  [SecretKind as Kind, { type: 'kubernetes.io/dockercfg' }, ['data[.dockercfg]: Required value']],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64('{') } },
    ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be valid JSON'],
  ],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/service-account-token' },
    ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
  ],
  [
    RoleKind as Kind,
    { rules: [{ nonResourceURLs: ['/a'], resources: ['pods'] }, {}] },
    [
      'rules[0].verbs: Required value: verbs must contain at least one value',
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs',
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs',
      'rules[1].verbs: Required value: verbs must contain at least one value',
      'rules[1].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[1].resources: Required value: resource rules must supply at least one resource',
    ],
  ],
  [
    ClusterRoleKind as Kind,
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/a'] }], aggregationRule: {} },
    [
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ],
  ],
  [
    RoleBindingKind as Kind,
    { roleRef: { apiGroup: 'x', kind: 'Rolle', name: '' } },
    [
      `roleRef.apiGroup: Unsupported value: "x": supported values: "${rbac}"`,
      'roleRef.kind: Unsupported value: "Rolle": supported values: "Role", "ClusterRole"',
      'roleRef.name: Required value',
    ],
  ],
  [
    ClusterRoleBindingKind as Kind,
    { roleRef: { kind: 'Role', name: 'a/b' } },
    [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      'roleRef.name: Invalid value: "a/b": may not contain \'/\'',
    ],
  ],
  [
    RoleBindingKind as Kind,
    {
      ...role,
      subjects: [
        { kind: 'ServiceAccount', name: 'a', apiGroup: 'x' },
        { kind: 'Team', name: '' },
        { kind: 'User', name: 'u', apiGroup: 'x' },
        { kind: 'ServiceAccount', name: 'A', namespace: 'default' },
      ],
    },
    [
      'subjects[0].apiGroup: Unsupported value: "x": supported values: ""',
      'subjects[0].namespace: Required value',
      'subjects[1].name: Required value',
      'subjects[1].kind: Unsupported value: "Team": supported values: "ServiceAccount", "User", "Group"',
      `subjects[2].apiGroup: Unsupported value: "x": supported values: "${rbac}"`,
      expect.stringMatching(/^subjects\[3\].name: Invalid value: "A": a lowercase RFC 1123 subdomain /),
    ],
  ],
  [
    LeaseKind as Kind,
    { spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } },
    [
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
      'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    PriorityClassKind as Kind,
    { value: 1_000_000_001, preemptionPolicy: 'Maybe' },
    [
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
      'preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"',
    ],
  ],
  [
    EventKind as Kind,
    { involvedObject: { namespace: 'other' } },
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
  [
    EventsEventKind as Kind,
    { regarding: { namespace: 'other' } },
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
  [
    EndpointsKind as Kind,
    { subsets: [{}, { addresses: [{ ip: 'x' }], ports: [{ port: 0 }, { name: 'b', port: 1 }] }] },
    [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      'subsets[1].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[1].ports[0].name: Required value',
      'subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4', endpoints: [{ addresses: ['::1', 'x'] }, {}], ports: [{}, {}] },
    [
      'endpoints[0].addresses[0]: Invalid value: "::1": must be an IPv4 address',
      'endpoints[0].addresses[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'endpoints[1].addresses: Required value: must contain at least 1 address',
      'ports[1].name: Duplicate value: ""',
    ],
  ],
  [
    EndpointsKind as Kind,
    { subsets: [{ addresses: [{ ip: '169.254.169.254' }] }] },
    [
      'subsets[0].addresses[0].ip: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv6', endpoints: [{ addresses: ['::ffff:127.0.0.1', '0:0::1', 'fd00::1'] }] },
    [
      'endpoints[0].addresses[0]: Invalid value: "::ffff:127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'endpoints[0].addresses[1]: Invalid value: "0:0::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'MAC' },
    ['addressType: Unsupported value: "MAC": supported values: "FQDN", "IPv4", "IPv6"'],
  ],
];

describe('what is wrong is refused', () => {
  it.each(WRONG.map(([kind, parts, faults]) => ({ of: kind.kind, kind, parts, faults })))(
    '$of $faults.0',
    ({ kind, parts, faults }) => {
      expect(kind.strategy.validate(make(kind, parts)).map(faultText)).toEqual(faults);
    },
  );
});

const FROZEN = 'Forbidden: field is immutable when `immutable` is set';

/** [kind, before, after, the faults]. */
const CHANGES: [Kind, Parts, Parts, string[]][] = [
  [
    ConfigMapKind as Kind,
    { immutable: true, data: { a: '1' } },
    { data: { a: '2' } },
    [`immutable: ${FROZEN}`, `data: ${FROZEN}`],
  ],
  [ConfigMapKind as Kind, { data: { a: '1' } }, { data: { a: '2' } }, []],
  [SecretKind as Kind, { immutable: true }, { immutable: true, stringData: { a: '2' } }, [`data: ${FROZEN}`]],
  [SecretKind as Kind, {}, { type: 'other' }, ['type: Invalid value: "other": field is immutable']],
  [
    RoleBindingKind as Kind,
    role,
    { roleRef: { kind: 'Role', name: 'view' } },
    [`roleRef: Invalid value: {"kind":"Role","name":"view","apiGroup":"${rbac}"}: cannot change roleRef`],
  ],
  [
    PriorityClassKind as Kind,
    { value: 1 },
    { value: 2 },
    ['value: Forbidden: may not be changed in an update.'],
  ],
  [
    PriorityClassKind as Kind,
    { value: 1 },
    { value: 1, preemptionPolicy: 'Never' },
    ['preemptionPolicy: Invalid value: "Never": field is immutable'],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4' },
    { addressType: 'IPv6' },
    ['addressType: Invalid value: "IPv6": field is immutable'],
  ],
  [
    NodeKind as Kind,
    { spec: { providerID: 'a' } },
    { spec: { providerID: 'b' } },
    ['spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'],
  ],
];

describe('what cannot change stays', () => {
  it.each(CHANGES.map(([kind, before, after, faults]) => ({ of: kind.kind, kind, before, after, faults })))(
    '$of $faults.0',
    ({ kind, before, after, faults }) => {
      expect(kind.strategy.validateUpdate!(make(kind, after), make(kind, before)).map(faultText)).toEqual(
        faults,
      );
    },
  );
});

describe('what is left out is filled in', () => {
  it('text of secrets becomes data', () => {
    const secret = make(SecretKind, {
      data: { a: base64('old'), b: base64('kept') },
      stringData: { a: 'new' },
    });
    expect(secret).toMatchObject({ type: 'Opaque', data: { a: base64('new'), b: base64('kept') } });
    expect(secret).not.toHaveProperty('stringData');
  });

  it('API groups of bindings', () => {
    const subjects = [
      { kind: 'User', name: 'u' },
      { kind: 'ServiceAccount', name: 's', namespace: 'd' },
    ];
    const binding = make(RoleBindingKind, { ...role, subjects });
    expect(binding.roleRef.apiGroup).toBe(rbac);
    expect(binding.subjects!.map((subject) => subject.apiGroup)).toEqual([rbac, undefined]);
    expect(RoleBindingKind.strategy.validate(binding)).toEqual([]);
  });

  it('the name of a namespace as a label, its phase and its finalizer', () => {
    const namespace = make(NamespaceKind, { status: { phase: 'Terminating' } });
    NamespaceKind.strategy.prepareForCreate!(namespace);
    expect(namespace).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'x' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
    expect(NamespaceKind.strategy.heldBy!(namespace)).toEqual(['kubernetes']);
    NamespaceKind.strategy.prepareForDelete!(namespace);
    expect(namespace.status!.phase).toBe('Terminating');
    expect(NamespaceKind.strategy.validate(namespace)).toEqual([]);
  });

  it('what a node can give, canonically', () => {
    const node = make(NodeKind, { status: { capacity: { cpu: '2000m', memory: '1024Mi' } } });
    expect(node.status!.allocatable).toEqual({ cpu: '2', memory: '1Gi' });
  });

  it('system priorities are for the system', () => {
    const system = make(PriorityClassKind, { value: 2_000_001_000 });
    system.metadata.name = 'system-node-critical';
    expect(PriorityClassKind.strategy.validate(system)).toEqual([]);
    system.value = 5;
    expect(PriorityClassKind.strategy.validate(system)[0]!.type).toBe('Forbidden');
  });
});

describe('events of the two groups', () => {
  it('are one object under two sets of names', () => {
    const event = make(EventKind, {
      involvedObject: { kind: 'Pod', name: 'p' },
      message: 'm',
      count: 2,
      reportingComponent: 'agent',
    });
    const { fromStored, toStored } = EventsEventKind.storedAs!;
    const view = fromStored(event);
    expect(view).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      regarding: { kind: 'Pod', name: 'p' },
      note: 'm',
      deprecatedCount: 2,
      reportingController: 'agent',
    });
    expect(toStored(view)).toEqual(event);
  });
});
