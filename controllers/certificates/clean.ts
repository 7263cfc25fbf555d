import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { CertificateSigningRequest, ConfigMap, Node } from '#api/objects.ts';
import { type BoundKeys, boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import { sameJson } from '#machinery/values/same-json.ts';
import type { Plan } from '../framework/contract.ts';
import { LONGEST_MS } from './sign.ts';

const HOUR_MS = 3_600_000;
/** Source: Kubernetes, csrcleaner: decided ones after an hour, others after a day. */
const DECIDED_MS = HOUR_MS;
const PENDING_MS = 24 * HOUR_MS;

/** Nobody needs a request any more that was answered, or that nobody has answered for a day. */
export function planCleaning(
  { metadata, status }: CertificateSigningRequest,
  now: number,
): Plan<typeof CertificateSigningRequestKind> {
  if (metadata.deletionTimestamp) return { actions: [] };
  const decided = status?.certificate || status?.conditions?.some(({ type }) => type !== 'Approved');
  const since = Date.parse(metadata.creationTimestamp ?? '');
  const leftMs = since + (decided ? DECIDED_MS : PENDING_MS) - now;
  if (!(leftMs <= 0)) return { actions: [], ...(leftMs > 0 && { againAfterMs: leftMs }) };
  const { name, uid, resourceVersion } = metadata;
  const why = {
    reason: 'RequestIsOld',
    message: decided ? 'it was answered an hour ago' : 'nobody has answered it for a day',
  };
  const options = { uid, resourceVersion };
  return { actions: [{ do: 'delete', kind: CertificateSigningRequestKind, key: name, options, why }] };
}

/** Certificates of a node that was deleted have ended by then: nothing is left to refuse. */
const REMOVED_MS = LONGEST_MS + 24 * HOUR_MS;

/**
 * Keeps the list of bound keys with the Nodes: an entry is marked once its Node is there, and as removed when that Node has gone;
 * the name is free then, and the certificates of before pass no more. An entry without a mark is of a machine that is just joining.
 */
export function planNodeKeys(
  map: ConfigMap,
  nodes: readonly Node[],
  now: number,
): Plan<typeof ConfigMapKind> {
  const there = new Set(nodes.map(({ metadata }) => metadata.name));
  const data: Record<string, string> = {};
  let soonestMs = Number.POSITIVE_INFINITY;
  for (const node of Object.keys(map.data ?? {})) {
    const bound = keptWith(there.has(node), boundKeys(map.data, node)!, now);
    if (!bound) continue;
    data[node] = boundKeysText(bound);
    if (bound.removedMs !== undefined) soonestMs = Math.min(soonestMs, bound.removedMs + REMOVED_MS - now);
  }
  const again = Number.isFinite(soonestMs) ? { againAfterMs: Math.min(soonestMs, LONGEST_WAIT_MS) } : {};
  if (sameJson(data, map.data ?? {})) return { actions: [], ...again };
  const why = { reason: 'NodesChanged', message: 'a Node has come or gone' };
  return { actions: [{ do: 'update', kind: ConfigMapKind, object: { ...map, data }, why }], ...again };
}

/** No timer reaches much further. */
const LONGEST_WAIT_MS = 24 * HOUR_MS;

/** The entry as it is with, or without, its Node; undefined: it is of no use any more. */
function keptWith(isThere: boolean, bound: BoundKeys, now: number): BoundKeys | undefined {
  if (bound.removedMs !== undefined) return now - bound.removedMs < REMOVED_MS ? bound : undefined;
  if (isThere === bound.registered) return bound;
  if (isThere) return { ...bound, registered: true };
  if (bound.server) return { ...bound, registered: false };
  return { keys: bound.keys, registered: false, removedMs: now };
}

export function isNodeKeys({ metadata }: { metadata: { name: string; namespace?: string } }): boolean {
  return metadata.name === NODE_KEYS.name && metadata.namespace === NODE_KEYS.namespace;
}
