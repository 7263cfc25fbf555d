import type { Duplex } from 'node:stream';
import type { Transport } from '#machinery/transport.ts';

/**
 * How the apiserver reaches a node or a pod on it. Agents dial out: an agent opens
 * `GET /apis/gantry.dev/v1alpha1/nodes/<name>/tunnel` on the apiserver with `Upgrade: gantry-tunnel/1`; afterwards the
 * apiserver is the HTTP/2 client and the agent the HTTP/2 server of that one connection (flow control and any number of
 * streams come with it). Each stream is `POST` with a JSON header `gantry-open`: { kind: 'agent' } (raw bytes of one
 * HTTP/1.1 connection to the agent's server) or { kind: 'dial', address: 'host:port' } (raw TCP).
 */
export interface NodeLink {
  /** The agent's HTTP API on that node (paths below). ServiceUnavailable when no link is up. */
  open(node: string): Transport;
  /** Raw TCP from the node to `host:port`, which must be of a pod on that node: an agent dials nothing else. */
  dial(node: string, address: string): Promise<Duplex>;
  /** Whether a link is up now. */
  connected(node: string): boolean;
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
  health: '/healthz',
} as const;

export const TUNNEL_PROTOCOL = 'gantry-tunnel/1';

/** Where an agent dials its tunnel. */
export function tunnelPath(node: string): string {
  return `/apis/gantry.dev/v1alpha1/nodes/${encodeURIComponent(node)}/tunnel`;
}

/** What `stats` answers: counters since the start, and amounts now. */
export interface NodeUse {
  /** Of the whole machine. */
  machine: { cpuNanoseconds: number; workingSetBytes: number };
  pods: PodUse[];
}

export interface PodUse {
  namespace: string;
  name: string;
  containers: {
    name: string;
    cpuNanoseconds: number;
    memoryBytes: number;
    workingSetBytes: number;
    pids: number;
  }[];
}
