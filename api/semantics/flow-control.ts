/**
 * The flow schemas and priority levels that every cluster has. Two of each are mandatory: they always are as written here.
 * The others are a suggestion that administrators may change. Source: Kubernetes, "API Priority and
 * Fairness", those of 1.29 and later (proposals to change them, KEP-4793 and KEP-4977, were not taken).
 */
import type { FlowSchema, PriorityLevelConfiguration } from '../objects.ts';

type SchemaSpec = NonNullable<FlowSchema['spec']>;
type Rule = NonNullable<SchemaSpec['rules']>[number];
type Subject = Rule['subjects'][number];
type ResourceRule = NonNullable<Rule['resourceRules']>[number];
type LevelSpec = NonNullable<PriorityLevelConfiguration['spec']>;
type Limited = NonNullable<LevelSpec['limited']>;

const API_VERSION = 'flowcontrol.apiserver.k8s.io/v1';
/** "true" on an object whose spec the server brings to what it suggests. */
export const AUTOUPDATE_SPEC = 'apf.kubernetes.io/autoupdate-spec';

function level(name: string, spec: LevelSpec): PriorityLevelConfiguration {
  return { apiVersion: API_VERSION, kind: 'PriorityLevelConfiguration', metadata: metadata(name), spec };
}

function queued(name: string, shares: Omit<Limited, 'limitResponse'>, queues: number, handSize: number) {
  const queuing = { queues, handSize, queueLengthLimit: 50 };
  return level(name, { type: 'Limited', limited: { ...shares, limitResponse: { type: 'Queue', queuing } } });
}

const shares = (nominalConcurrencyShares: number, lendablePercent: number) => ({
  nominalConcurrencyShares,
  lendablePercent,
});

export const MANDATORY_LEVELS: readonly PriorityLevelConfiguration[] = [
  level('catch-all', { type: 'Limited', limited: { ...shares(5, 0), limitResponse: { type: 'Reject' } } }),
  level('exempt', { type: 'Exempt', exempt: shares(0, 0) }),
];

export const SUGGESTED_LEVELS: readonly PriorityLevelConfiguration[] = [
  queued('system', shares(30, 33), 64, 6),
  queued('node-high', shares(40, 25), 64, 6),
  queued('leader-election', shares(10, 0), 16, 4),
  queued('workload-high', shares(40, 50), 128, 6),
  queued('workload-low', shares(100, 90), 128, 6),
  queued('global-default', shares(20, 50), 128, 6),
];

const group = (name: string): Subject => ({ kind: 'Group', group: { name } });
const user = (name: string): Subject => ({ kind: 'User', user: { name } });
const account = (name: string): Subject => ({
  kind: 'ServiceAccount',
  serviceAccount: { namespace: 'kube-system', name },
});

const EVERYBODY = [group('system:unauthenticated'), group('system:authenticated')];
const CONTROLLERS = user('system:kube-controller-manager');
const SCHEDULER = user('system:kube-scheduler');
const NODES = [group('system:nodes')];
const ELECTION = ['get', 'create', 'update'];

function resources(
  verbs: string[],
  apiGroups: string[],
  names: string[],
  clusterScope = false,
): ResourceRule {
  return { verbs, apiGroups, resources: names, ...(clusterScope && { clusterScope }), namespaces: ['*'] };
}

const LEASES = resources(ELECTION, ['coordination.k8s.io'], ['leases']);
const ELECTED = resources(ELECTION, [''], ['endpoints', 'configmaps']);

/** Whatever the subjects ask for. */
function everything(...subjects: Subject[]): Rule {
  return {
    subjects,
    resourceRules: [resources(['*'], ['*'], ['*'], true)],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  };
}

function schema(
  name: string,
  levelName: string,
  matchingPrecedence: number,
  method: 'ByUser' | 'ByNamespace' | undefined,
  rule: Rule,
): FlowSchema {
  const spec: SchemaSpec = {
    priorityLevelConfiguration: { name: levelName },
    matchingPrecedence,
    ...(method && { distinguisherMethod: { type: method } }),
    rules: [rule],
  };
  return { apiVersion: API_VERSION, kind: 'FlowSchema', metadata: metadata(name), spec };
}

export const MANDATORY_SCHEMAS: readonly FlowSchema[] = [
  schema('exempt', 'exempt', 1, undefined, everything(group('system:masters'))),
  schema('catch-all', 'catch-all', 10_000, 'ByUser', everything(...EVERYBODY)),
];

/** In the order in which they are tried. */
export const SUGGESTED_SCHEMAS: readonly FlowSchema[] = [
  schema('probes', 'exempt', 2, undefined, {
    subjects: EVERYBODY,
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  schema('system-leader-election', 'leader-election', 100, 'ByUser', {
    subjects: [CONTROLLERS, SCHEDULER, account('*')],
    resourceRules: [LEASES],
  }),
  schema('endpoint-controller', 'workload-high', 150, 'ByUser', {
    subjects: [CONTROLLERS, account('endpoint-controller'), account('endpointslicemirroring-controller')],
    resourceRules: [resources(ELECTION, [''], ['endpoints'])],
  }),
  schema('workload-leader-election', 'leader-election', 200, 'ByUser', {
    subjects: [account('*')],
    resourceRules: [ELECTED, LEASES],
  }),
  schema('system-node-high', 'node-high', 400, 'ByUser', {
    subjects: NODES,
    resourceRules: [
      resources(['*'], [''], ['nodes', 'nodes/status'], true),
      resources(['*'], ['coordination.k8s.io'], ['leases']),
    ],
  }),
  schema('system-nodes', 'system', 500, 'ByUser', everything(...NODES)),
  schema('kube-controller-manager', 'workload-high', 800, 'ByNamespace', everything(CONTROLLERS)),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', everything(SCHEDULER)),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', everything(account('*'))),
  schema('service-accounts', 'workload-low', 9000, 'ByUser', everything(group('system:serviceaccounts'))),
  schema('global-default', 'global-default', 9900, 'ByUser', everything(...EVERYBODY)),
];

function metadata(name: string) {
  return { name, annotations: { [AUTOUPDATE_SPEC]: 'true' } };
}
