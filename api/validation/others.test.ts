import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { EventKind } from '../kinds/event.ts';
import { EventsEventKind } from '../kinds/events-event.ts';
import { LeaseKind } from '../kinds/lease.ts';
import { NamespaceKind } from '../kinds/namespace.ts';
import { NodeKind } from '../kinds/node.ts';
import { PriorityClassKind } from '../kinds/priority-class.ts';
import { RoleBindingKind } from '../kinds/role-binding.ts';
import { SecretKind } from '../kinds/secret.ts';
import { QUALIFIED } from '../testing/name-texts.ts';
import {
  type ChangeRefusal,
  made,
  type Refusal,
  refusesEach,
  refusesEachChange,
  statusRefusals,
} from '../testing/refusals.ts';

const rbac = 'rbac.authorization.k8s.io';
const role = { roleRef: { kind: 'ClusterRole', name: 'view' } };
const base64 = (text: string) => Buffer.from(text).toString('base64');

const RESERVED = "priority class names with 'system-' prefix are reserved for system use only";

/** [kind, the wrong parts, the faults]. */
const WRONG: Refusal[] = [
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
    PriorityClassKind as Kind,
    { metadata: { name: 'system-mine' }, value: 1 },
    [`metadata.name: Forbidden: ${RESERVED}. error: system-mine is not a known system priority class`],
  ],
  [
    PriorityClassKind as Kind,
    { metadata: { name: 'system-node-critical' }, value: 5 },
    [
      `metadata.name: Forbidden: ${RESERVED}. error: value of system-node-critical PriorityClass must be 2000001000`,
    ],
  ],
  [
    PriorityClassKind as Kind,
    { metadata: { name: 'system-cluster-critical' }, value: 2_000_000_000, globalDefault: true },
    [
      `metadata.name: Forbidden: ${RESERVED}. error: globalDefault of system-cluster-critical PriorityClass must be false`,
    ],
  ],
  [
    NamespaceKind as Kind,
    { spec: { finalizers: ['mine', 'a/-'] } },
    [
      'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
      `spec.finalizers: Invalid value: "a/-": name part ${QUALIFIED}`,
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
];

describe('what is wrong is refused', () => refusesEach(WRONG));

/** [kind, before, after, the faults]. */
const CHANGES: ChangeRefusal[] = [
  [
    PriorityClassKind as Kind,
    { value: 1 },
    { value: 2, preemptionPolicy: 'Never' },
    [
      'value: Forbidden: may not be changed in an update.',
      'preemptionPolicy: Invalid value: "Never": field is immutable',
    ],
  ],
];

describe('what cannot change stays', () => refusesEachChange(CHANGES));

describe('the phase of a namespace', () => {
  it('goes with its deletion', () => {
    const status = { phase: 'Gone' };
    expect(statusRefusals(NamespaceKind, { status })).toEqual([
      'status.Phase: Invalid value: "Gone": may only be \'Active\' if `deletionTimestamp` is empty',
    ]);
    const metadata = { deletionTimestamp: '2026-01-01T00:00:00Z' };
    expect(statusRefusals(NamespaceKind, { metadata, status: { phase: 'Active' } })).toEqual([
      'status.Phase: Invalid value: "Active": may only be \'Terminating\' if `deletionTimestamp` is not empty',
    ]);
    expect(statusRefusals(NamespaceKind, { status: { phase: 'Active' } })).toEqual([]);
  });
});

describe('what is left out is filled in', () => {
  it('text of secrets becomes data', () => {
    const secret = made(SecretKind, {
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
    const binding = made(RoleBindingKind, { ...role, subjects });
    expect(binding.roleRef.apiGroup).toBe(rbac);
    expect(binding.subjects!.map((subject) => subject.apiGroup)).toEqual([rbac, undefined]);
    expect(RoleBindingKind.strategy.validate(binding)).toEqual([]);
  });

  it('the name of a namespace as a label, its phase and its finalizer', () => {
    const namespace = made(NamespaceKind, { status: { phase: 'Terminating' } });
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
    const node = made(NodeKind, { status: { capacity: { cpu: '2000m', memory: '1024Mi' } } });
    expect(node.status!.allocatable).toEqual({ cpu: '2', memory: '1Gi' });
  });

  it('system priorities are for the system', () => {
    const system = made(PriorityClassKind, { value: 2_000_001_000 });
    system.metadata.name = 'system-node-critical';
    expect(PriorityClassKind.strategy.validate(system)).toEqual([]);
  });
});

describe('events of the two groups', () => {
  it('are one object under two sets of names', () => {
    const event = made(EventKind, {
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
