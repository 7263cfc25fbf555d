import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { CertificateSigningRequest, ConfigMap } from '#api/objects.ts';
import { bindKey, boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { CertificateRequest } from '#machinery/pki/certificate-request.ts';
import type { Action, Check } from '../framework/contract.ts';
import { nodeOf } from './requests.ts';

/** What it depends on whether a key may have a node's name. */
export interface Names {
  /** Which keys are bound; undefined: none yet. */
  map: ConfigMap | undefined;
  /** Whether there is a Node of that name. */
  exists(node: string): boolean;
  /** DNS names and addresses (as URLs write them) that the Node of that name has. */
  namesOf(node: string): readonly string[];
}

/** Whether the node itself asks. */
export function isOwn({ spec }: CertificateSigningRequest, asked: CertificateRequest): boolean {
  return spec?.username === asked.commonName;
}

/**
 * Why the key of the request cannot have the node's name: a name is bound to the first key it was certified for, and to those the
 * node itself has moved on to, until its Node is deleted.
 */
export function whyTaken(
  request: CertificateSigningRequest,
  asked: CertificateRequest,
  names: Names,
): string | undefined {
  const node = nodeOf(asked);
  const bound = boundKeys(names.map?.data, node);
  if (isOwn(request, asked)) {
    if (bound?.removedMs === undefined) return undefined;
    return `node ${node} was deleted since: join again, with a token`;
  }
  if (bound?.keys[0] === asked.keyHash || isFree(node, names)) return undefined;
  const remedy = names.exists(node)
    ? 'delete that Node first'
    : `remove ${node} from the ConfigMap ${NODE_KEYS.namespace}/${NODE_KEYS.name}`;
  return `node ${node} is another machine: its name is bound to another key; choose another name, or ${remedy}`;
}

/** What binds the name to the key; nothing when it is so already. */
export function bindingOf(
  asked: CertificateRequest,
  names: Names,
  checks: Check[],
): Action<typeof ConfigMapKind>[] {
  const node = nodeOf(asked);
  const { map } = names;
  const before = isFree(node, names) ? undefined : boundKeys(map?.data, node);
  const entry = boundKeysText(bindKey(before, asked.keyHash));
  if (map?.data?.[node] === entry) return [];
  const why = { reason: 'NodeJoins', message: `${node} is certified for this key` };
  const common = { kind: ConfigMapKind, why, checks };
  const data = { ...map?.data, [node]: entry };
  if (map) return [{ do: 'update', object: { ...map, data }, ...common }];
  const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...NODE_KEYS }, data };
  return [{ do: 'create', object, ...common }];
}

/** Whether the name is nobody's: never taken, or its Node was deleted, that of a machine with a server too. */
function isFree(node: string, { map, exists }: Names): boolean {
  const bound = boundKeys(map?.data, node);
  if (!bound) return !exists(node);
  return bound.removedMs !== undefined || (bound.server === true && !exists(node));
}
