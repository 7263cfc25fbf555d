import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { ApiObject, Node } from '#api/objects.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { canonicalAddress } from '#machinery/values/cidr.ts';
import type { AnyController, View } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { planApproval } from './approve.ts';
import { isNodeKeys, planCleaning, planNodeKeys } from './clean.ts';
import type { Names } from './names.ts';
import { planSigning, type Sign } from './sign.ts';

const KEYS_KEY = `${NODE_KEYS.namespace}/${NODE_KEYS.name}`;

const NOTHING = { actions: [] };

function namesOfNode(node: Node | undefined): string[] {
  const addresses = (node?.status?.addresses ?? []).map(({ address }) => address);
  return addresses.map((address) => canonicalAddress(address) ?? address);
}

/** Of config maps only one matters. */
const content = (object: ApiObject) => object.kind !== ConfigMapKind.kind || isNodeKeys(object);

function namesIn(
  view: View<[typeof CertificateSigningRequestKind, typeof ConfigMapKind, typeof NodeKind]>,
): Names {
  return {
    map: view.get(ConfigMapKind, KEYS_KEY),
    exists: (node) => view.get(NodeKind, node) !== undefined,
    namesOf: (node) => namesOfNode(view.get(NodeKind, node)),
  };
}

const ofNames = {
  for: CertificateSigningRequestKind,
  reads: [ConfigMapKind, NodeKind] as const,
  writes: [CertificateSigningRequestKind, ConfigMapKind],
  wakes: [],
  content,
  // Two requests for one name must not both find it free.
  oneAtATime: true as const,
};

const approver = defineController({
  name: 'certificate-approver',
  ...ofNames,
  plan(_key, request, view, _now, failed) {
    if (!request) return NOTHING;
    return planApproval(request, namesIn(view), failed);
  },
});

const signer = (sign: Sign) =>
  defineController({
    name: 'certificate-signer',
    ...ofNames,
    plan: (_key, request, view) => (request ? planSigning(request, namesIn(view), sign) : NOTHING),
  });

const cleaner = defineController({
  name: 'certificate-cleaner',
  for: CertificateSigningRequestKind,
  reads: [],
  writes: [CertificateSigningRequestKind],
  wakes: [],
  plan: (_key, request, _view, now) => (request ? planCleaning(request, now) : NOTHING),
});

const nodeKeys = defineController({
  name: 'node-keys',
  for: ConfigMapKind,
  reads: [NodeKind],
  writes: [ConfigMapKind],
  wakes: [wakeBy(NodeKind, () => [KEYS_KEY])],
  content,
  plan: (_key, map, view, now) =>
    map && isNodeKeys(map) ? planNodeKeys(map, view.list(NodeKind), now) : NOTHING,
});

/** Everything about certificates of nodes and of this server's other clients. */
export function certificateControllers(sign: Sign | undefined): readonly AnyController[] {
  return [approver, ...(sign ? [signer(sign)] : []), cleaner, nodeKeys];
}
