import type { Duplex } from 'node:stream';
import type { Pod } from '#api/objects.ts';
import type { Observed } from '../pods/observed.ts';

/** What a dialled address is held against. */
export interface DialContext {
  pods(): Iterable<{ pod(): Pod; observed(): Observed }>;
  hostIPs: readonly string[];
  connect(address: string): Promise<Duplex>;
}

/**
 * Dials for the server, but only pods of this node: at the addresses the node gave them, whatever their status says. A pod
 * on the node's own network is dialled only at ports it declares, or it would stand for all that listens on the node.
 */
export function podDialler({ pods, hostIPs, connect }: DialContext): (address: string) => Promise<Duplex> {
  return async (address) => {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    const port = Number(address.slice(colon + 1));
    const ofPod = [...pods()].some((worker) =>
      worker.pod().spec?.hostNetwork
        ? hostIPs.includes(host) && declares(worker.pod(), port)
        : worker.observed().attachment?.addresses.includes(host),
    );
    if (!ofPod) throw new Error(`address not allowed: ${address} is of no pod on this node`);
    return connect(address);
  };
}

function declares(pod: Pod, port: number): boolean {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers].some(({ ports }) =>
    ports?.some(({ containerPort }) => containerPort === port),
  );
}
