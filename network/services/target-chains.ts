import { addressBytes, parseAddress } from '#machinery/values/cidr.ts';
import type { Rule } from '../netlink/nft.ts';
import {
  destinationNat,
  type IpFamily,
  loadDestination,
  loadDestinationPort,
  loadProtocol,
  loadSource,
  lookup,
  put,
  random,
  remember,
  VERDICT_REGISTER,
} from '../netlink/nft-expressions.ts';
import { registers, rule, SETS, type SetName } from './layout.ts';

/**
 * A chain made when the first verdict leads to it; its name says all that is in it.
 * - `draw`: shared by all services with so many endpoints (and such affinity): `n3`, `p3`, `n3-sticky-10800`.
 * - `remember`: sends a new client of a sticky service to an endpoint and notes it: `to-10.244.0.2-8080-10800`. It stands
 *   apart because nft(8) 1.0.6 aborts where it prints a remembered value that was looked up.
 */
export type TargetChain =
  | { kind: 'draw'; over: 'services' | 'node-ports'; endpoints: number; affinitySeconds: number }
  | { kind: 'remember'; address: string; port: number; affinitySeconds: number };

export function targetChainName(chain: TargetChain): string {
  if (chain.kind === 'remember') return `to-${chain.address}-${chain.port}-${chain.affinitySeconds}`;
  const sticky = chain.affinitySeconds > 0 ? `-sticky-${chain.affinitySeconds}` : '';
  return `${chain.over === 'services' ? 'n' : 'p'}${chain.endpoints}${sticky}`;
}

const DRAW_CHAIN = /^([np])(\d+)(?:-sticky-(\d+))?$/;
const REMEMBER_CHAIN = /^to-([0-9a-f.:]+)-(\d+)-(\d+)$/;

/** The inverse of targetChainName; undefined for other chains. */
export function parseTargetChain(name: string): TargetChain | undefined {
  const draw = DRAW_CHAIN.exec(name);
  if (draw) {
    const over = draw[1] === 'n' ? 'services' : 'node-ports';
    return { kind: 'draw', over, endpoints: Number(draw[2]), affinitySeconds: Number(draw[3] ?? 0) };
  }
  const to = REMEMBER_CHAIN.exec(name);
  if (!to || !parseAddress(to[1]!)) return undefined;
  return { kind: 'remember', address: to[1]!, port: Number(to[2]), affinitySeconds: Number(to[3]) };
}

/** The rules of such a chain. */
export function targetRules(chain: TargetChain, family: IpFamily): Rule[] {
  const name = targetChainName(chain);
  const r = registers(family);
  const go = destinationNat(family, r.target, r.targetPort);
  const load = [
    loadDestination(family, r.destination),
    loadProtocol(r.protocol),
    loadDestinationPort(r.port),
  ];
  const client = [loadSource(family, r.source), ...load];
  if (chain.kind === 'remember') {
    const endpoint = [
      put(r.target, addressBytes(parseAddress(chain.address)!)),
      put(r.targetPort, Uint8Array.of(chain.port >> 8, chain.port & 255)),
    ];
    const keep = remember(SETS.affinity, r.source, r.target, chain.affinitySeconds);
    return [
      rule(name, 'remember the client', [...client, ...endpoint, keep]),
      rule(name, 'its endpoint', [...endpoint, go]),
    ];
  }
  const virtual = chain.over === 'services';
  const draw = (map: SetName, to: number) => [
    ...(virtual ? load : load.slice(1)),
    random(chain.endpoints, r.target),
    lookup(map, virtual ? r.destination : r.protocol, to),
  ];
  if (chain.affinitySeconds === 0) {
    const map = virtual ? SETS.endpoints : SETS.nodePortEndpoints;
    return [rule(name, `one of ${chain.endpoints}`, [...draw(map, r.target), go])];
  }
  return [
    rule(name, 'a client that came before', [...client, lookup(SETS.affinity, r.source, r.target), go]),
    rule(
      name,
      `a new client: one of ${chain.endpoints}`,
      draw(virtual ? SETS.sticky : SETS.stickyNodePorts, VERDICT_REGISTER),
    ),
  ];
}
