import type { PolicyRule } from '#api/objects.ts';
import { GANTRY, read, rule } from './rule-words.ts';

/**
 * view, edit and admin: what users of a namespace may do. `view` shows no secrets, since a token in one would be more
 * than viewing; only `admin` hands out roles. Source: Kubernetes "User-facing roles".
 */
const change = ['create', 'delete', 'deletecollection', 'patch', 'update'];

const WORKLOADS = {
  '': ['configmaps', 'endpoints', 'persistentvolumeclaims', 'pods', 'replicationcontrollers', 'services'],
  apps: ['daemonsets', 'deployments', 'replicasets', 'statefulsets'],
  autoscaling: ['horizontalpodautoscalers'],
  batch: ['cronjobs', 'jobs'],
  networking: ['ingresses', 'networkpolicies'],
};

export const VIEW_RULES: PolicyRule[] = [
  rule(
    read,
    [''],
    [
      ...WORKLOADS[''],
      'persistentvolumeclaims/status',
      'pods/log',
      'pods/status',
      'replicationcontrollers/scale',
      'replicationcontrollers/status',
      'serviceaccounts',
      'services/status',
      'bindings',
      'events',
      'limitranges',
      'namespaces',
      'namespaces/status',
      'resourcequotas',
      'resourcequotas/status',
    ],
  ),
  rule(read, ['events.k8s.io'], ['events']),
  rule(read, ['discovery.k8s.io'], ['endpointslices']),
  rule(
    read,
    ['apps'],
    ['controllerrevisions', ...withStatus(WORKLOADS.apps), ...scales(WORKLOADS.apps.slice(1))],
  ),
  rule(read, ['autoscaling'], withStatus(WORKLOADS.autoscaling)),
  rule(read, ['batch'], withStatus(WORKLOADS.batch)),
  rule(read, ['metrics.k8s.io'], ['pods', 'nodes']),
  rule(read, ['policy'], withStatus(['poddisruptionbudgets'])),
  rule(read, ['networking.k8s.io'], [...withStatus(['ingresses']), 'networkpolicies']),
  rule(
    read,
    [GANTRY],
    ['containers', 'containers/status', 'gitrepositories', 'networks', 'syncs', 'volumes'],
  ),
];

export const EDIT_RULES: PolicyRule[] = [
  rule(
    read,
    [''],
    ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'secrets', 'services/proxy'],
  ),
  rule(['impersonate'], [''], ['serviceaccounts']),
  rule(
    change,
    [''],
    [
      ...WORKLOADS[''],
      'events',
      'pods/attach',
      'pods/exec',
      'pods/portforward',
      'pods/proxy',
      'replicationcontrollers/scale',
      'secrets',
      'serviceaccounts',
      'services/proxy',
    ],
  ),
  rule(['create'], [''], ['pods/eviction', 'serviceaccounts/token']),
  rule(change, ['apps'], [...WORKLOADS.apps, 'deployments/rollback', ...scales(WORKLOADS.apps.slice(1))]),
  rule(change, ['autoscaling'], WORKLOADS.autoscaling),
  rule(change, ['batch'], WORKLOADS.batch),
  rule(change, ['policy'], ['poddisruptionbudgets']),
  rule(change, ['networking.k8s.io'], WORKLOADS.networking),
  rule([...read, ...change], ['coordination.k8s.io'], ['leases']),
  rule(change, [GANTRY], ['containers', 'gitrepositories', 'syncs', 'volumes']),
];

export const ADMIN_RULES: PolicyRule[] = [
  rule(['create'], ['authorization.k8s.io'], ['localsubjectaccessreviews']),
  rule([...read, ...change], ['rbac.authorization.k8s.io'], ['rolebindings', 'roles']),
];

function withStatus(resources: string[]): string[] {
  return resources.flatMap((resource) => [resource, `${resource}/status`]);
}

function scales(resources: string[]): string[] {
  return resources.map((resource) => `${resource}/scale`);
}
