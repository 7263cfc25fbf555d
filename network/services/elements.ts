import { addressBytes, parseAddress } from '#machinery/values/cidr.ts';
import type { ServicePortRule } from '../contract.ts';
import type { Element } from '../netlink/nft.ts';
import { ADDRESS_BYTES, type IpFamily } from '../netlink/nft-expressions.ts';
import { SETS, type SetName } from './layout.ts';
import { targetChainName } from './target-chains.ts';

/** What one rule puts into the sets of its family's table: pure. */

/** An element with the set it belongs to. `id` is the same for the same key in the same set. */
export interface Placed {
  id: string;
  set: SetName;
  element: Element;
}

const PROTOCOLS: Record<ServicePortRule['protocol'], number> = { TCP: 6, UDP: 17 };

/** `except`: the address of the DNS server, which is local and must not be translated. */
export function elementsOf(rule: ServicePortRule, family: IpFamily, except?: string): Placed[] {
  const endpoints = rule.endpoints.flatMap((each) => {
    const address = addressOf(each.address, family);
    return address ? [{ ...each, bytes: address }] : [];
  });
  const local = endpoints.filter((each) => each.local);
  const placed: Placed[] = [];
  const put = (set: SetName, key: Uint8Array, data?: Element['data']) =>
    placed.push({ id: `${set} ${Buffer.from(key).toString('latin1')}`, set, element: { key, data } });
  for (const text of rule.addresses) {
    const address = text === except ? undefined : addressOf(text, family);
    if (!address) continue;
    const key = Buffer.concat([address, padded(PROTOCOLS[rule.protocol]), portBytes(rule.port)]);
    if (endpoints.length === 0) put(SETS.noEndpoints, key);
    else target(put, 'services', key, rule.internalTrafficPolicyLocal ? local : endpoints, rule);
  }
  if (rule.nodePort && endpoints.length > 0) {
    const key = Buffer.concat([padded(PROTOCOLS[rule.protocol]), portBytes(rule.nodePort)]);
    target(put, 'node-ports', key, rule.externalTrafficPolicyLocal ? local : endpoints, rule);
  }
  for (const each of local) put(SETS.hairpin, Buffer.concat([each.bytes, each.bytes]));
  return placed;
}

type Put = (set: SetName, key: Uint8Array, data?: Element['data']) => void;

/** The way from a virtual address or node port to its endpoints; without any (a Local policy) it is dropped. */
function target(
  put: Put,
  over: 'services' | 'node-ports',
  key: Buffer,
  endpoints: { bytes: Uint8Array; address: string; port: number }[],
  rule: ServicePortRule,
): void {
  const entry = over === 'services' ? SETS.services : SETS.nodePorts;
  if (endpoints.length === 0) return void put(entry, key, { verdict: 'drop' });
  const affinitySeconds = endpoints.length > 1 ? rule.sessionAffinitySeconds : 0;
  const sticky = affinitySeconds > 0;
  const virtual = over === 'services';
  for (const [index, { bytes, address, port }] of endpoints.entries()) {
    const indexBytes = Buffer.alloc(4);
    indexBytes.writeUInt32LE(index);
    const indexed = Buffer.concat([key, indexBytes]);
    const chain = targetChainName({ kind: 'remember', address, port, affinitySeconds });
    if (sticky) put(virtual ? SETS.sticky : SETS.stickyNodePorts, indexed, { verdict: 'goto', chain });
    else
      put(
        virtual ? SETS.endpoints : SETS.nodePortEndpoints,
        indexed,
        Buffer.concat([bytes, portBytes(port)]),
      );
  }
  const chain = targetChainName({ kind: 'draw', over, endpoints: endpoints.length, affinitySeconds });
  put(entry, key, { verdict: 'goto', chain });
}

function addressOf(text: string, family: IpFamily): Uint8Array | undefined {
  const address = parseAddress(text);
  const bytes = address && addressBytes(address);
  return bytes?.length === ADDRESS_BYTES[family] ? bytes : undefined;
}

function padded(protocol: number): Uint8Array {
  return Uint8Array.of(protocol, 0, 0, 0);
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 255, 0, 0);
}
