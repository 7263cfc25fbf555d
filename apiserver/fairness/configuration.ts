/**
 * Priority levels and flow schemas as data, and those that every server has. Source: Kubernetes, "API Priority and
 * Fairness" (the mandatory and suggested objects of 1.29 and later).
 */
import type * as k8s from '@kubernetes/client-node';
import type { Wire } from '#api/objects.ts';

export type FlowSchemaSpec = Wire<k8s.V1FlowSchemaSpec>;
export type PriorityLevelSpec = Wire<k8s.V1PriorityLevelConfigurationSpec>;
export type PolicyRules = Wire<k8s.V1PolicyRulesWithSubjects>;
type Subject = Wire<k8s.FlowcontrolV1Subject>;
type ResourceRule = Wire<k8s.V1ResourcePolicyRule>;

export interface FlowSchema {
  name: string;
  /** Told to clients in place of the name. */
  uid?: string;
  spec: FlowSchemaSpec;
}

export interface PriorityLevel {
  name: string;
  uid?: string;
  spec: PriorityLevelSpec;
}

export interface FairnessConfiguration {
  levels: readonly PriorityLevel[];
  schemas: readonly FlowSchema[];
}

/** For those whom no other schema fits; nobody waits there. */
export const CATCH_ALL = 'catch-all';
const EXEMPT = 'exempt';

const ALL = ['*'];
const READ_MODIFY = ['get', 'create', 'update'];
const EVERYBODY = ['system:unauthenticated', 'system:authenticated'];
const CONTROLLERS = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';

const user = (name: string): Subject => ({ kind: 'User', user: { name } });
const group = (name: string): Subject => ({ kind: 'Group', group: { name } });
const kubeSystem = (name: string): Subject => ({
  kind: 'ServiceAccount',
  serviceAccount: { name, namespace: 'kube-system' },
});

function on(verbs: string[], apiGroup: string, resources: string[], clusterScope = false): ResourceRule {
  return { verbs, apiGroups: [apiGroup], resources, namespaces: ALL, ...(clusterScope && { clusterScope }) };
}

const anything = (subjects: Subject[]): PolicyRules => ({
  subjects,
  resourceRules: [on(ALL, '*', ALL, true)],
  nonResourceRules: [{ verbs: ALL, nonResourceURLs: ALL }],
});

const LEASES = on(READ_MODIFY, 'coordination.k8s.io', ['leases']);

/** [name, level, matching precedence, what tells flows apart, rules] */
type SchemaRow = [string, string, number, 'ByUser' | 'ByNamespace' | undefined, PolicyRules[]];

const SCHEMAS: readonly SchemaRow[] = [
  ['exempt', EXEMPT, 1, undefined, [anything([group('system:masters')])]],
  [
    'probes',
    EXEMPT,
    2,
    undefined,
    [
      {
        subjects: EVERYBODY.map(group),
        nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
      },
    ],
  ],
  [
    'system-leader-election',
    'leader-election',
    100,
    'ByUser',
    [{ subjects: [user(CONTROLLERS), user(SCHEDULER), kubeSystem('*')], resourceRules: [LEASES] }],
  ],
  [
    'endpoint-controller',
    'workload-high',
    150,
    'ByUser',
    [
      {
        subjects: [
          user(CONTROLLERS),
          kubeSystem('endpoint-controller'),
          kubeSystem('endpointslicemirroring-controller'),
        ],
        resourceRules: [on(READ_MODIFY, '', ['endpoints'])],
      },
    ],
  ],
  [
    'workload-leader-election',
    'leader-election',
    200,
    'ByUser',
    [
      {
        subjects: [kubeSystem('*')],
        resourceRules: [on(READ_MODIFY, '', ['endpoints', 'configmaps']), LEASES],
      },
    ],
  ],
  [
    'system-node-high',
    'node-high',
    400,
    'ByUser',
    [
      {
        subjects: [group('system:nodes')],
        resourceRules: [
          on(ALL, '', ['nodes', 'nodes/status'], true),
          on(ALL, 'coordination.k8s.io', ['leases']),
        ],
      },
    ],
  ],
  ['system-nodes', 'system', 500, 'ByUser', [anything([group('system:nodes')])]],
  ['kube-controller-manager', 'workload-high', 800, 'ByNamespace', [anything([user(CONTROLLERS)])]],
  ['kube-scheduler', 'workload-high', 800, 'ByNamespace', [anything([user(SCHEDULER)])]],
  ['kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', [anything([kubeSystem('*')])]],
  ['service-accounts', 'workload-low', 9000, 'ByUser', [anything([group('system:serviceaccounts')])]],
  ['global-default', 'global-default', 9900, 'ByUser', [anything(EVERYBODY.map(group))]],
  [CATCH_ALL, CATCH_ALL, 10_000, 'ByUser', [anything(EVERYBODY.map(group))]],
];

/** [name, shares, lendable percent, queues, hand size, queue length] */
const QUEUED: readonly [string, number, number, number, number, number][] = [
  ['system', 30, 33, 64, 6, 50],
  ['node-high', 40, 25, 64, 6, 50],
  ['leader-election', 10, 0, 16, 4, 50],
  ['workload-high', 40, 50, 128, 6, 50],
  ['workload-low', 100, 90, 128, 6, 50],
  ['global-default', 20, 50, 128, 6, 50],
];

export const BUILT_IN: FairnessConfiguration = {
  levels: [
    {
      name: EXEMPT,
      spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
    },
    ...QUEUED.map(
      ([name, nominalConcurrencyShares, lendablePercent, queues, handSize, queueLengthLimit]) => ({
        name,
        spec: {
          type: 'Limited',
          limited: {
            nominalConcurrencyShares,
            lendablePercent,
            limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit } },
          },
        },
      }),
    ),
    {
      name: CATCH_ALL,
      spec: {
        type: 'Limited',
        limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
      },
    },
  ],
  schemas: SCHEMAS.map(([name, level, matchingPrecedence, method, rules]) => ({
    name,
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence,
      ...(method && { distinguisherMethod: { type: method } }),
      rules,
    },
  })),
};
