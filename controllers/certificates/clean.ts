import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { CertificateSigningRequest, ConfigMap, Node } from '#api/objects.ts';
import { boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { Plan } from '../framework/contract.ts';

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

/**
 * Keeps the list of bound keys with the Nodes: an entry is marked once its Node is there, and goes when that Node has gone; the
 * name is free then. An entry without the mark is of a machine that is just joining.
 */
export function planNodeKeys(map: ConfigMap, nodes: readonly Node[]): Plan<typeof ConfigMapKind> {
  const there = new Set(nodes.map(({ metadata }) => metadata.name));
  const data: Record<string, string> = {};
  for (const [node, entry] of Object.entries(map.data ?? {})) {
    const bound = boundKeys(map.data, node)!;
    if (there.has(node))
      data[node] = bound.registered ? entry : boundKeysText({ ...bound, registered: true });
    else if (!bound.registered) data[node] = entry;
  }
  if (JSON.stringify(data) === JSON.stringify(map.data ?? {})) return { actions: [] };
  const why = { reason: 'NodesChanged', message: 'a Node has come or gone' };
  return { actions: [{ do: 'update', kind: ConfigMapKind, object: { ...map, data }, why }] };
}

export function isNodeKeys({ metadata }: { metadata: { name: string; namespace?: string } }): boolean {
  return metadata.name === NODE_KEYS.name && metadata.namespace === NODE_KEYS.namespace;
}
