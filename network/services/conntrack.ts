import { addressBytes, addressOfBytes, formatAddress, parseAddress } from '#machinery/values/cidr.ts';
import type { ServicePortRule } from '../contract.ts';
import { exchange, NETLINK_NETFILTER } from '../netlink/connection.ts';
import { deleteFlow, dumpFlows, type Flow, parseFlow } from '../netlink/conntrack.ts';
import type { Netlink } from '../netlink/contract.ts';
import { isErrno } from '../netlink/errors.ts';

/** Flows of UDP Services that lead to endpoints which no longer take their traffic. */

/** A virtual address or node port (no address) with an endpoint that is gone from it. */
export interface StaleUdp {
  /** Undefined = any: a node port. */
  address?: string;
  port: number;
  endpoint: { address: string; port: number };
}

/** What went away from the UDP rules: pure. */
export function staleUdp(before: readonly ServicePortRule[], after: readonly ServicePortRule[]): StaleUdp[] {
  const udp = (rules: readonly ServicePortRule[]) => rules.filter(({ protocol }) => protocol === 'UDP');
  const now = new Map(udp(after).map((rule) => [rule.name, rule]));
  return udp(before).flatMap((rule) => {
    const next = now.get(rule.name);
    if (next === rule) return [];
    const kept = new Set(next?.endpoints.map((each) => `${each.address} ${each.port}`));
    const gone = rule.endpoints.filter((each) => !kept.has(`${each.address} ${each.port}`));
    return gone.flatMap((endpoint) => [
      ...rule.addresses.map((address) => ({ address, port: rule.port, endpoint })),
      ...(rule.nodePort ? [{ port: rule.nodePort, endpoint }] : []),
    ]);
  });
}

const UDP = 17;
/** Deletions in one exchange. */
const MAX_DELETIONS = 256;

/** Removes the flows, so that the next packet of each client finds a living endpoint. */
export async function forgetUdp(netlink: Netlink, stale: readonly StaleUdp[]): Promise<void> {
  if (stale.length === 0) return;
  const keys = new Set(
    stale.map(({ address, port, endpoint }) =>
      flowKey(address && canonical(address), port, canonical(endpoint.address), endpoint.port),
    ),
  );
  const [answer] = await exchange(netlink, NETLINK_NETFILTER, [dumpFlows]);
  if (answer?.error) throw answer.error;
  const flows = (answer?.messages ?? []).flatMap((message) => parseFlow(message) ?? []);
  const doomed = flows.filter((flow) => flow.protocol === UDP && isStale(flow, keys));
  for (let at = 0; at < doomed.length; at += MAX_DELETIONS) {
    const answers = await exchange(
      netlink,
      NETLINK_NETFILTER,
      doomed.slice(at, at + MAX_DELETIONS).map(deleteFlow),
    );
    // A flow that ended meanwhile is as good.
    for (const { error } of answers) if (error && !isErrno(error, 'ENOENT')) throw error;
  }
}

function isStale({ original, reply }: Flow, keys: ReadonlySet<string>): boolean {
  const [endpoint, port] = [formatAddress(addressOfBytes(reply.source)), reply.sourcePort];
  const address = formatAddress(addressOfBytes(original.destination));
  return (
    keys.has(flowKey(address, original.destinationPort, endpoint, port)) ||
    keys.has(flowKey(undefined, original.destinationPort, endpoint, port))
  );
}

function flowKey(address: string | undefined, port: number, endpoint: string, endpointPort: number): string {
  return `${address ?? '*'} ${port} ${endpoint} ${endpointPort}`;
}

function canonical(text: string): string {
  const address = parseAddress(text);
  return address ? formatAddress(addressOfBytes(addressBytes(address))) : text;
}
