import { type Answer, exchange, NETLINK_ROUTE, type Request } from './netlink/connection.ts';
import type { Netlink } from './netlink/contract.ts';
import { isErrno, NetlinkError } from './netlink/errors.ts';
import {
  deleteForward,
  deleteNeighbour,
  newForward,
  newNeighbour,
  newVxlan,
  type Vxlan,
} from './netlink/overlay.ts';
import {
  deleteLink,
  deleteRoute,
  getLink,
  newAddress,
  newBridge,
  newRoute,
  newVeth,
  parseLink,
  setHairpin,
  setLink,
} from './netlink/route.ts';
import type { Sysctl } from './netlink/sysctl.ts';

/**
 * What the plans of this room consist of, and the one executor that makes it real. Each step states what shall be, so
 * that doing it twice is harmless. `namespace` is the path of a network namespace; the node's own when left out.
 */
export type Step =
  | { op: 'sysctl'; key: string; value: string }
  | { op: 'bridge'; name: string; mac: string; mtu: number }
  /** A veth pair: `name` with `index` in `namespace`, `peer` on the node. */
  | { op: 'veth'; namespace: string; name: string; index: number; mac: string; mtu: number; peer: string }
  | { op: 'up'; namespace?: string; link: string }
  | { op: 'mtu'; namespace?: string; link: string; mtu: number }
  /** Makes a link of the node a port of a bridge. */
  | { op: 'port'; link: string; bridge: string; alias: string }
  /** `cidr`: the address with its prefix length. */
  | { op: 'address'; namespace?: string; link: string; cidr: string }
  | {
      op: 'route';
      namespace?: string;
      destination: string;
      link: string;
      gateway?: string;
      source?: string;
      metric: number;
    }
  /** Packets to `destination` that no better route takes are refused with ICMP host unreachable. */
  | { op: 'unreachable'; destination: string; metric: number }
  | { op: 'delete-link'; namespace?: string; link: string }
  | { op: 'delete-route'; destination: string; link: string; gateway?: string; metric: number }
  | { op: 'vxlan'; name: string; mac: string; mtu: number; vxlan: Vxlan }
  /** The address, seen from a link, belongs to `mac`. */
  | { op: 'neighbour'; link: string; address: string; mac: string }
  | { op: 'delete-neighbour'; link: string; address: string; mac: string }
  /** A VXLAN device sends frames for `mac` to the node at `to`. */
  | { op: 'forward'; link: string; mac: string; to: string }
  | { op: 'delete-forward'; link: string; mac: string; to: string };

/** The effects that steps need. */
export interface StepEffects {
  netlink: Netlink;
  sysctl: Sysctl;
  /** A process in the node's network namespace, as the helper sees it: where veth peers are put. */
  nodePid: number;
}

/** Indexes of links of one namespace, as far as they are known. */
type Indexes = Map<string, number>;

type Encoders = {
  [S in Exclude<Step, { op: 'sysctl' }> as S['op']]: {
    /** Names of links that must be looked up before the step can be written down. */
    needs: (step: S) => string[];
    encode: (step: S, index: (link: string) => number, nodePid: number) => Request[];
    /** Errno names that mean: it is so already. */
    fine: string[];
  };
};

const LOOPBACK: [string, number] = ['lo', 1];

const ENCODERS: Encoders = {
  bridge: {
    needs: () => [],
    encode: (step) => [
      newBridge(step.name, step.mac),
      setLink(step.name, { up: true, mac: step.mac, mtu: step.mtu }),
    ],
    fine: ['EEXIST'],
  },
  veth: {
    needs: () => [],
    encode: (step, _, nodePid) => [newVeth({ ...step, peerPid: nodePid })],
    fine: [],
  },
  mtu: { needs: () => [], encode: (step) => [setLink(step.link, { mtu: step.mtu })], fine: [] },
  up: { needs: () => [], encode: (step) => [setLink(step.link, { up: true })], fine: [] },
  port: {
    needs: (step) => [step.bridge],
    encode: (step, index) => [
      setLink(step.link, { up: true, master: index(step.bridge), alias: step.alias }),
      setHairpin(step.link),
    ],
    fine: [],
  },
  address: {
    needs: (step) => [step.link],
    encode: (step, index) => [newAddress(index(step.link), step.cidr)],
    fine: ['EEXIST'],
  },
  route: {
    needs: (step) => [step.link],
    encode: (step, index) => [newRoute({ ...step, kind: 'unicast', index: index(step.link) })],
    fine: ['EEXIST'],
  },
  unreachable: {
    needs: () => [],
    encode: (step) => [
      newRoute({ destination: step.destination, kind: 'unreachable', index: 0, metric: step.metric }),
    ],
    fine: ['EEXIST'],
  },
  'delete-link': {
    needs: () => [],
    encode: (step) => [deleteLink(step.link)],
    fine: ['ENODEV'],
  },
  'delete-route': {
    needs: (step) => [step.link],
    encode: (step, index) => [deleteRoute({ ...step, kind: 'unicast', index: index(step.link) })],
    fine: ['ESRCH'],
  },
  vxlan: {
    needs: () => [],
    encode: (step) => [
      newVxlan(step.name, step.mac, step.mtu, step.vxlan),
      // Not the MAC of one that is there: even the same one makes the kernel forget all neighbours.
      setLink(step.name, { up: true, mtu: step.mtu }),
    ],
    fine: ['EEXIST'],
  },
  neighbour: onLink((step, index) => newNeighbour({ ...step, index }), []),
  'delete-neighbour': onLink((step, index) => deleteNeighbour({ ...step, index }), ['ENOENT']),
  forward: onLink((step, index) => newForward({ ...step, index }), []),
  'delete-forward': onLink((step, index) => deleteForward({ ...step, index }), ['ENOENT']),
};

function onLink<S extends { link: string }>(encode: (step: S, index: number) => Request, fine: string[]) {
  return {
    needs: (step: S) => [step.link],
    encode: (step: S, index: (link: string) => number) => [encode(step, index(step.link))],
    fine,
  };
}

interface Batch {
  namespace: string | undefined;
  requests: Request[];
  fine: string[][];
}

/**
 * Performs steps in order; neighbours in the same namespace share one exchange. Throws NetlinkError of the first step the
 * kernel refused; what else the same exchange held may have been done, and nothing after it.
 */
export async function execute(steps: readonly Step[], effects: StepEffects): Promise<void> {
  const indexes = new Map<string, Indexes>();
  const batch: Batch = { namespace: undefined, requests: [], fine: [] };
  for (const step of steps) {
    if (step.op === 'sysctl') {
      await flush(batch, effects.netlink);
      await effects.sysctl.write(step.key, step.value);
      continue;
    }
    const namespace = 'namespace' in step ? step.namespace : undefined;
    if (namespace !== batch.namespace) await flush(batch, effects.netlink);
    batch.namespace = namespace;
    const known = indexesOf(indexes, namespace);
    const encoder = ENCODERS[step.op] as Encoders[keyof Encoders] & { needs: (step: Step) => string[] };
    for (const link of encoder.needs(step)) {
      if (known.has(link)) continue;
      await flush(batch, effects.netlink);
      known.set(link, await lookUp(effects.netlink, namespace, link));
    }
    const encode = encoder.encode as (s: Step, index: (link: string) => number, pid: number) => Request[];
    for (const request of encode(step, (link) => known.get(link)!, effects.nodePid)) {
      batch.requests.push(request);
      batch.fine.push(encoder.fine);
    }
    if (step.op === 'veth') known.set(step.name, step.index);
  }
  await flush(batch, effects.netlink);
}

function indexesOf(all: Map<string, Indexes>, namespace: string | undefined): Indexes {
  const key = namespace ?? '';
  const known = all.get(key) ?? new Map([LOOPBACK]);
  all.set(key, known);
  return known;
}

async function flush(batch: Batch, netlink: Netlink): Promise<void> {
  const { requests, fine, namespace } = batch;
  batch.requests = [];
  batch.fine = [];
  const answers: Answer[] = await exchange(netlink, NETLINK_ROUTE, requests, namespace);
  for (const [at, { error }] of answers.entries()) {
    if (error && !isErrno(error, ...fine[at]!)) throw error;
  }
}

async function lookUp(netlink: Netlink, namespace: string | undefined, link: string): Promise<number> {
  const [answer] = await exchange(netlink, NETLINK_ROUTE, [getLink(link)], namespace);
  if (answer?.error) throw answer.error;
  const found = answer?.messages.map(parseLink).find((each) => each !== undefined);
  if (!found) throw new NetlinkError('ENODEV', `look up link ${link}`, 0, 'the kernel did not answer');
  return found.index;
}
