import { CLUSTER_SETTINGS } from '#api/cluster-settings.ts';
import { AUTHORITIES } from '#api/semantics/authorities.ts';
import { LOADED_IMAGES } from '#api/semantics/loaded-images.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { leavePath, NODES_PATH } from '#api/well-known.ts';
import type { Identity } from '#machinery/transport.ts';
import { parseFieldSelector, requiredFieldValue } from '#machinery/values/field-selector.ts';
import type { AuthorizationAttributes, Authorizer, Decision, ObjectReader } from '../contract.ts';
import { NODE_RULES } from './bootstrap-node.ts';
import { type NodeGraph, nodeGraph } from './node-graph.ts';
import { ruleAllows } from './rules.ts';

/**
 * What a node may do, by what is bound to it: its own Node and Lease, the pods bound to it, and the secrets, config maps,
 * claims and service accounts those pods refer to. All else that NODE_RULES grants (services, endpoints, ...) is free of
 * relation. The limits on what it may *write into* its objects are the NodeRestriction admission plugin's.
 * Source: Kubernetes Node authorization; KEP-4601 (selectors).
 */
const NODES_GROUP = 'system:nodes';
const NODE_PREFIX = 'system:node:';

/** The node an identity is, by name and group both. */
export function nodeNameOf(identity: Identity): string | undefined {
  if (!identity.groups.includes(NODES_GROUP) || !identity.name.startsWith(NODE_PREFIX)) return undefined;
  return identity.name.slice(NODE_PREFIX.length) || undefined;
}

const NO_OPINION: Decision = { allowed: false, denied: false, reason: '' };
const NO_RULES = { resources: [], paths: [] };

export function nodeAuthorizer(
  objects: ObjectReader,
  graph: NodeGraph = nodeGraph(objects),
): Authorizer & { close(): void } {
  return {
    authorize(asked) {
      const node = nodeNameOf(asked.identity);
      if (node === undefined) return NO_OPINION;
      if (!NODE_RULES.some((rule) => ruleAllows(rule, asked))) return NO_OPINION;
      const fault = asked.isResource ? faultOf(node, asked, graph) : pathFault(node, asked);
      if (fault === undefined) return { allowed: true, reason: `node ${node}` };
      return { allowed: false, denied: false, reason: fault };
    },
    rules: () => NO_RULES,
    close: () => graph.close(),
  };
}

/** Why a node may not touch this object though its rules name the resource. */
function faultOf(node: string, asked: AuthorizationAttributes, graph: NodeGraph): string | undefined {
  switch (asked.group ? `${asked.resource}.${asked.group}` : asked.resource) {
    case 'secrets':
    case 'configmaps':
    case 'persistentvolumeclaims':
    case 'serviceaccounts':
      return referred(node, asked, graph);
    case 'pods':
      return podFault(node, asked, graph);
    case 'nodes':
    case 'nodes.gantry.dev':
    case 'leases.coordination.k8s.io':
      return ownFault(node, asked);
    default:
      return undefined;
  }
}

function pathFault(node: string, { path }: AuthorizationAttributes): string | undefined {
  if (!path.startsWith(`${NODES_PATH}/`) || path === leavePath(node)) return undefined;
  return `node '${node}' cannot remove another node`;
}

function referred(node: string, asked: AuthorizationAttributes, graph: NodeGraph): string | undefined {
  const name = asked.name || selected(asked, 'metadata.name');
  if (!name) return 'No Object name found';
  if (isOfAllNodes(asked, name)) return undefined;
  return graph.refers(node, `${asked.resource}/${asked.namespace}/${name}`)
    ? undefined
    : `no relationship found between node '${node}' and this object`;
}

/**
 * What every node must know whatever pods it has: the settings of the cluster, the keys by which nodes know each other, the
 * authorities of servers, and the images that were loaded. Nothing in them is secret.
 */
const OF_ALL_NODES = [CLUSTER_SETTINGS, NODE_KEYS, LOADED_IMAGES, AUTHORITIES];
const READS = ['get', 'list', 'watch'];

function isOfAllNodes({ resource, namespace, verb }: AuthorizationAttributes, name: string): boolean {
  const known = OF_ALL_NODES.some((one) => one.namespace === namespace && one.name === name);
  return resource === 'configmaps' && known && READS.includes(verb);
}

function podFault(node: string, asked: AuthorizationAttributes, graph: NodeGraph): string | undefined {
  const bulk = asked.verb === 'list' || asked.verb === 'watch';
  if (bulk && selected(asked, 'spec.nodeName') === node) return undefined;
  if (bulk && !asked.name) {
    return `can only list/watch pods with spec.nodeName field selector set to '${node}'`;
  }
  // Creation is of mirror pods only, which admission checks.
  if (asked.verb === 'create' && asked.subresource === '') return undefined;
  return graph.nodeOf(asked.namespace, asked.name) === node
    ? undefined
    : `no relationship found between node '${node}' and this object`;
}

/** Reading other nodes is allowed: routes between nodes come from their Node objects. */
function ownFault(node: string, asked: AuthorizationAttributes): string | undefined {
  if (asked.resource === 'leases' && asked.namespace !== 'kube-node-lease') {
    return "can only access leases in the 'kube-node-lease' system namespace";
  }
  const reads = READS.includes(asked.verb);
  if (asked.resource === 'nodes' && asked.group === '' && reads && asked.subresource === '') return undefined;
  // A create carries its name only in the body: admission compares it.
  if (asked.verb === 'create' && asked.subresource === '') return undefined;
  const name = asked.name || selected(asked, 'metadata.name');
  return name === node ? undefined : `node '${node}' cannot touch the ${asked.resource} of another node`;
}

function selected(asked: AuthorizationAttributes, field: string): string | undefined {
  if (!asked.fieldSelector) return undefined;
  try {
    return requiredFieldValue(parseFieldSelector(asked.fieldSelector), field);
  } catch {
    return undefined; // not a selector: the request will be refused for it later, and selects nothing here
  }
}
