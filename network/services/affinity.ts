import { addressBytes, parseAddress } from '#machinery/values/cidr.ts';
import type { Element } from '../netlink/nft.ts';
import { ADDRESS_BYTES, type IpFamily } from '../netlink/nft-expressions.ts';
import type { Placed } from './elements.ts';
import { isVerdict, SETS } from './layout.ts';
import { parseTargetChain } from './target-chains.ts';

/** Bytes of the index at the end of a key. */
const INDEX_BYTES = 4;

/**
 * Clients remembered for endpoints that take no more traffic of that Service: pure. `wanted`: the elements that shall be
 * in the kernel; `found`: the affinity map as it is.
 */
export function staleAffinity(
  found: readonly Element[],
  wanted: Iterable<Placed>,
  family: IpFamily,
): Element[] {
  const valid = new Set<string>();
  for (const { set, element } of wanted) {
    if (set !== SETS.sticky && set !== SETS.stickyNodePorts) continue;
    const chain = isVerdict(element.data) && 'chain' in element.data && parseTargetChain(element.data.chain);
    if (!chain || chain.kind !== 'remember') continue;
    const port = Buffer.of(chain.port >> 8, chain.port & 255, 0, 0);
    valid.add(hex(element.key.subarray(0, -INDEX_BYTES), addressBytes(parseAddress(chain.address)!), port));
  }
  // Key: client, virtual address, protocol, port; of a node port the address may be any of this node's.
  const [virtual, nodePort] = [ADDRESS_BYTES[family], 2 * ADDRESS_BYTES[family]];
  return found.filter(
    ({ key, data }) =>
      data instanceof Uint8Array &&
      !valid.has(hex(key.subarray(virtual), data)) &&
      !valid.has(hex(key.subarray(nodePort), data)),
  );
}

function hex(...parts: Uint8Array[]): string {
  return Buffer.concat(parts).toString('hex');
}
