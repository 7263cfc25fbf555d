import type { PolicyRule } from '#api/objects.ts';
import { NODES_PATH } from '#api/well-known.ts';
import { GANTRY, read, rule, write } from './rule-words.ts';

/** The most a node may ever do; the node authorizer narrows it to what is bound to the node. Also ClusterRole system:node. */
export const NODE_RULES: PolicyRule[] = [
  rule(['create'], ['authentication.k8s.io'], ['tokenreviews']),
  rule(['create'], ['authorization.k8s.io'], ['localsubjectaccessreviews', 'subjectaccessreviews']),
  rule(read, [''], ['services', 'namespaces', 'endpoints']),
  rule(read, ['discovery.k8s.io'], ['endpointslices']),
  rule(['create', 'get', 'list', 'watch', 'patch', 'update', 'delete'], [''], ['nodes']),
  rule(['patch', 'update', 'get'], [''], ['nodes/status']),
  // The tunnel of api/node-link.ts.
  rule(['get', 'create'], [GANTRY], ['nodes/tunnel']),
  rule(['create', 'patch', 'update'], ['', 'events.k8s.io'], ['events']),
  rule(read, [''], ['pods']),
  rule(['create', 'delete'], [''], ['pods']),
  rule(['patch', 'update', 'get'], [''], ['pods/status']),
  rule(['create'], [''], ['pods/eviction']),
  rule(read, [''], ['configmaps', 'secrets']),
  rule(['get'], [''], ['persistentvolumeclaims', 'persistentvolumes']),
  rule(['get'], [''], ['serviceaccounts']),
  rule(['create'], [''], ['serviceaccounts/token']),
  rule(['create', 'get', 'list', 'watch', 'patch', 'update', 'delete'], ['coordination.k8s.io'], ['leases']),
  rule(['create', 'get', 'list', 'watch'], ['certificates.k8s.io'], ['certificatesigningrequests']),
  rule(read, ['node.k8s.io'], ['runtimeclasses']),
  rule(read, ['storage.k8s.io'], ['csidrivers', 'volumeattachments']),
  rule(read, ['networking.k8s.io'], ['networkpolicies', 'ipaddresses', 'servicecidrs']),
  // Pod address blocks and networks that a node holds as objects.
  rule(read, [GANTRY], ['networks', 'addressblocks', 'volumes']),
  rule([...write, ...read], [GANTRY], ['addressblocks', 'addressblocks/status']),
  {
    verbs: ['get'],
    nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/', '/api', '/api/*'],
  },
  // That it leaves.
  { verbs: ['post'], nonResourceURLs: [`${NODES_PATH}/*`] },
  { verbs: ['get'], nonResourceURLs: ['/apis', '/apis/*', '/openapi', '/openapi/*'] },
];
