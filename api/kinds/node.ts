import { canonicalQuantities } from '../defaults/quantities.ts';
import type { Kind } from '../kind.ts';
import type { Node } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkNode, checkNodeStatus, checkNodeUpdate } from '../validation/node.ts';
import { nodeWarnings } from '../warnings/network.ts';
import { ageColumn, column, nameColumn, orNone, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A machine that runs pods. */
export const NodeKind: Kind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.Node',
  subresources: {
    status: true,
    others: [
      { name: 'proxy', kind: 'NodeProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
    ],
  },
  strategy: strategyOf<Node>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(node) {
      node.spec ??= {};
      // The one block is the first of the list, whichever of the two is given.
      if (node.spec.podCIDR && !node.spec.podCIDRs?.length) node.spec.podCIDRs = [node.spec.podCIDR];
      else if (node.spec.podCIDRs?.length) node.spec.podCIDR ||= node.spec.podCIDRs[0];
      node.status ??= {};
      canonicalQuantities(node.status.capacity);
      node.status.allocatable ??= node.status.capacity && { ...node.status.capacity };
      canonicalQuantities(node.status.allocatable);
    },
    prepareForCreate(node) {
      delete node.spec?.configSource;
      delete node.status?.config;
    },
    prepareForUpdate(node, old) {
      if (!old.spec?.configSource) delete node.spec?.configSource;
    },
    prepareForStatus(node, old) {
      if (!old.status?.config) delete node.status?.config;
    },
    check: checkNode,
    checkUpdate: checkNodeUpdate,
    checkStatus: (node, _old, faults) => checkNodeStatus(node, faults),
    warnings: nodeWarnings,
  }),
  columns: [
    nameColumn,
    column('Status', 'string', 'Whether the node is ready and takes new pods.', statusText),
    column('Roles', 'string', 'Roles, from labels.', rolesText),
    ageColumn,
    column(
      'Version',
      'string',
      'Version of the node agent.',
      (node) => node.status?.nodeInfo?.kubeletVersion ?? '',
    ),
    wideColumn('Internal-IP', 'string', 'Address inside the cluster.', (node) =>
      addressOf(node, 'InternalIP'),
    ),
    wideColumn('External-IP', 'string', 'Address outside the cluster.', (node) =>
      addressOf(node, 'ExternalIP'),
    ),
    wideColumn('OS-Image', 'string', 'Operating system.', (node) =>
      orUnknown(node.status?.nodeInfo?.osImage),
    ),
    wideColumn('Kernel-Version', 'string', 'Kernel.', (node) =>
      orUnknown(node.status?.nodeInfo?.kernelVersion),
    ),
    wideColumn('Container-Runtime', 'string', 'Name and version of the runtime.', (node) =>
      orUnknown(node.status?.nodeInfo?.containerRuntimeVersion),
    ),
  ],
  selectableFields: { 'spec.unschedulable': (node) => String(node.spec?.unschedulable ?? false) },
};

const ROLE_PREFIX = 'node-role.kubernetes.io/';
/** Label of the nodes of servers. */
export const CONTROL_PLANE_ROLE = `${ROLE_PREFIX}control-plane`;
const ROLE_LABEL = 'kubernetes.io/role';

/** The roles a node's labels give it, sorted. */
export function rolesOf(node: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length)
      roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === ROLE_LABEL && value) roles.add(value);
  }
  return [...roles].sort();
}

function rolesText(node: Node): string {
  return orNone(rolesOf(node).join(','));
}

function statusText(node: Node): string {
  const ready = (node.status?.conditions ?? []).find((condition) => condition.type === 'Ready');
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'];
  if (node.spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

function addressOf(node: Node, type: string): string {
  return orNone((node.status?.addresses ?? []).find((address) => address.type === type)?.address);
}

function orUnknown(text: string | undefined): string {
  return text || '<unknown>';
}
