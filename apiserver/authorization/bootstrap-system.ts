import type { PolicyRule } from '#api/objects.ts';
import { all, GANTRY, read, rule, write } from './rule-words.ts';

/**
 * What the server's own parts may do. The controllers share one identity, so their role is the union of what each of
 * them reads and writes; the scheduler has its own.
 */
const LEASES = rule([...read, ...write], ['coordination.k8s.io'], ['leases']);
const EVENTS = rule(['create', 'patch', 'update'], ['', 'events.k8s.io'], ['events']);

export const CONTROLLER_RULES: PolicyRule[] = [
  LEASES,
  EVENTS,
  // The garbage collector and the namespace controller meet every kind, custom ones too.
  rule(['get', 'list', 'watch', 'patch', 'update', 'delete', 'deletecollection'], ['*'], ['*']),
  rule(['create'], [''], ['configmaps', 'endpoints', 'persistentvolumeclaims', 'persistentvolumes', 'pods']),
  rule(
    ['create'],
    [''],
    ['namespaces', 'pods/eviction', 'secrets', 'serviceaccounts', 'serviceaccounts/token'],
  ),
  rule(['create'], ['apps'], ['controllerrevisions', 'replicasets']),
  rule(['create'], ['batch'], ['jobs']),
  rule(['create'], ['discovery.k8s.io'], ['endpointslices']),
  rule(all, [GANTRY], ['*']),
  rule(['create'], ['authentication.k8s.io'], ['tokenreviews']),
  rule(['create'], ['authorization.k8s.io'], ['subjectaccessreviews']),
  rule(['approve', 'sign'], ['certificates.k8s.io'], ['signers']),
  { verbs: ['get'], nonResourceURLs: ['*'] },
];

export const SCHEDULER_RULES: PolicyRule[] = [
  LEASES,
  EVENTS,
  rule(read, [''], ['namespaces', 'nodes', 'persistentvolumeclaims', 'persistentvolumes', 'services']),
  rule([...read, 'delete', 'patch'], [''], ['pods']),
  rule(['create'], [''], ['bindings', 'pods/binding']),
  rule(['patch', 'update'], [''], ['pods/status']),
  rule(read, ['apps'], ['replicasets', 'statefulsets']),
  rule(read, [''], ['replicationcontrollers']),
  rule(read, ['policy'], ['poddisruptionbudgets']),
  rule(read, ['scheduling.k8s.io'], ['priorityclasses']),
  rule(read, ['storage.k8s.io'], ['csidrivers', 'csinodes', 'csistoragecapacities', 'storageclasses']),
];
