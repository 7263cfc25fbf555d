import type { Duplex } from 'node:stream';
import type { Transport } from '#machinery/transport.ts';
import type { StreamClass, TunnelTarget } from '#machinery/tunnel/tunnel.ts';

/**
 * How the apiserver reaches a node or a pod on it. Agents dial out: an agent opens
 * `GET /apis/gantry.dev/v1alpha1/nodes/<name>/tunnel` on the apiserver with `Upgrade: gantry-tunnel/1`, and once more with
 * `gantry-tunnel-bulk/1` for streams that carry much; afterwards the apiserver is the HTTP/2 client and the agent the HTTP/2 server
 * of that connection (flow control and any number of streams come with it). Each stream is `POST` with a JSON header `gantry-open`: { kind: 'agent' } (raw bytes of one
 * HTTP/1.1 connection to the agent's server) or { kind: 'dial', address: 'host:port' } (raw TCP).
 */
export interface NodeLink {
  /** The agent's HTTP API on that node (paths below). ServiceUnavailable when no link is up. */
  open(node: string, use: StreamClass): Transport;
  /** Raw TCP from the node to `host:port`, which must be of a pod on that node: an agent dials nothing else. */
  dial(node: string, address: string, use: StreamClass): Promise<Duplex>;
}

/**
 * The agent's HTTP API, reached only through a NodeLink, already authorized by the apiserver. Query strings are those of
 * the Kubernetes subresource (container, command, stdin, stdout, stderr, tty, follow, tailLines, ...). exec, attach and
 * portforward are upgrades: WebSocket v4/v5.channel.k8s.io or SPDY/3.1; the apiserver passes the bytes through.
 */
export const AGENT_PATHS = {
  logs: (namespace: string, pod: string) => `/containerLogs/${namespace}/${pod}`,
  exec: (namespace: string, pod: string) => `/exec/${namespace}/${pod}`,
  attach: (namespace: string, pod: string) => `/attach/${namespace}/${pod}`,
  portForward: (namespace: string, pod: string) => `/portForward/${namespace}/${pod}`,
  stats: '/stats',
  /** Prometheus's text format, under cAdvisor's names. */
  metrics: '/metrics/cadvisor',
  /** The same of the agent itself. */
  agentMetrics: '/metrics',
  health: '/healthz',
} as const;

/** An agent that knows the first one only has all of its streams in it. */
export const TUNNEL_PROTOCOLS: Record<StreamClass, string> = {
  interactive: 'gantry-tunnel/1',
  bulk: 'gantry-tunnel-bulk/1',
};

/** Where an agent dials its tunnel. */
export function tunnelPath(node: string): string {
  return `/apis/gantry.dev/v1alpha1/nodes/${encodeURIComponent(node)}/tunnel`;
}

/** Whom the servers of a cluster take for one of them: the organization in a client certificate. */
export const SERVERS_GROUP = 'gantry.dev:apiservers';

/** An upgrade by which one server has another one open a stream to a node that is connected there, and never passed on any further. */
export const LINK_PROTOCOL = 'gantry-link/1';

/** Where it is asked for. */
export function linkPath(node: string, target: TunnelTarget, use: StreamClass): string {
  const query = new URLSearchParams({
    class: use,
    ...(target.kind === 'dial' && { address: target.address }),
  });
  return `/apis/gantry.dev/v1alpha1/nodes/${encodeURIComponent(node)}/link?${query}`;
}

/** What `stats` answers: counters since the start, and amounts now. */
export interface NodeUse {
  /** Of the whole machine. */
  machine: { cpuNanoseconds: number; workingSetBytes: number; pressure?: PressureUse };
  pods: PodUse[];
}

export interface PodUse {
  namespace: string;
  name: string;
  /** Of all its containers together; left out when it went meanwhile. */
  whole?: GroupUse;
  containers: ({ name: string } & GroupUse)[];
}

export interface GroupUse {
  cpuNanoseconds: number;
  memoryBytes: number;
  workingSetBytes: number;
  pids: number;
  /** Processes killed for want of memory so far. */
  oomKills: number;
  /** Where the kernel tells. */
  pressure?: PressureUse;
}

/** How long work waited for a resource: some of it, or all (PSI). Shares in percent of the last 10, 60 and 300 s. */
export type PressureUse = Record<'cpu' | 'memory' | 'io', Record<'some' | 'full', PressureShare>>;

export interface PressureShare {
  avg10: number;
  avg60: number;
  avg300: number;
  totalUs: number;
}
