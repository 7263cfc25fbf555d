/**
 * Pod networking and Services on one node. Desired state in, kernel state out: each call computes a plan of steps
 * (steps.ts) and one executor applies it by netlink. Everything is named after the instance id, so that two instances on
 * one machine never meet. Implementations: native.ts, fake/; both pass conformance.ts.
 */

export interface NodeNetworkConfig {
  /** Short hash of the data directory, [a-z0-9]{6}: bridge `g<id>`, veths `g<id>...`, table `gantry-<id>`. */
  instance: string;
  /** The node's block of pod addresses, one per family: `10.244.0.0/24`. */
  podCidrs: string[];
  /** All pods of the cluster: what is not masqueraded, and unreachable where no node has it. */
  clusterCidrs: string[];
  serviceCidrs: string[];
  nodePortRange: { from: number; to: number };
  /** Address of the cluster DNS Service, bound locally so that queries skip NAT. */
  dnsAddress: string;
  /** The node's own, by which other nodes know it, the primary one first; none where there are no others. */
  addresses?: string[];
  /** Of the network between nodes on different subnets: identifier (VNI) and UDP port, the same on all nodes; 1 and 8472 when left out. */
  vxlan?: { id: number; port: number };
}

/** Another node, as data. */
export interface NodePeer {
  name: string;
  /** Its own, the primary one first. */
  addresses: string[];
  /** The blocks of its pods. */
  podCidrs: string[];
}

/** A node to (some of) whose pods there is no way, and the reason. */
export interface UnreachablePeer {
  name: string;
  why: string;
}

export interface PodAttachment {
  /** In order of family; the first is status.podIP. */
  addresses: string[];
  gateway: string;
  /** Name of the interface in the pod: eth0. */
  interface: string;
}

/** One port of a Service with the endpoints that take its traffic now, as data: no kinds, no selectors. */
export interface ServicePortRule {
  /** `namespace/name:port`, for people reading the rules. */
  name: string;
  protocol: 'TCP' | 'UDP';
  /** Virtual addresses: cluster IPs, external IPs. */
  addresses: string[];
  port: number;
  nodePort?: number;
  endpoints: { address: string; port: number; local: boolean }[];
  /** Seconds; 0 = none. */
  sessionAffinitySeconds: number;
  externalTrafficPolicyLocal: boolean;
  internalTrafficPolicyLocal: boolean;
}

export interface NodeNetwork {
  /** Makes or mends bridge, addresses, routes and tables. */
  start(config: NodeNetworkConfig): Promise<void>;
  /** The bridge's address: pods' gateway, where node services for pods (DNS, API) can listen. */
  gateway(): string[];
  /**
   * Gives a sandbox its interface, address and routes. Repeating it keeps the address. Fails with NetworkError
   * `Exhausted` when the block is full.
   */
  attach(sandbox: string, networkNamespace: string): Promise<PodAttachment>;
  /** Releases the address; the interface goes with its namespace. Harmless when it is gone. */
  detach(sandbox: string): Promise<void>;
  /** Sandboxes that hold an address. */
  attached(): Promise<Map<string, PodAttachment>>;
  /** Makes the Service rules be exactly these; only differences reach the kernel. */
  syncServices(rules: readonly ServicePortRule[]): Promise<void>;
  /**
   * Makes these be the other nodes whose pods are reached: directly where they are on a subnet of ours, else by VXLAN; only
   * differences reach the kernel. Pods that run and those to come get the MTU that then fits all ways. Gives back those to which
   * there is no way; the others are reached all the same.
   */
  syncPeers(peers: readonly NodePeer[]): Promise<UnreachablePeer[]>;
  /** Compares the kernel with what was planned and mends it; says what it found. */
  audit(): Promise<string[]>;
  /** Removes every trace of the instance. */
  destroy(): Promise<void>;
}

export type NetworkErrorCode = 'Exhausted' | 'InvalidConfig' | 'Kernel' | 'Unavailable';

/** What a NodeNetwork fails with; the message says what and where. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: NetworkErrorCode;
  constructor(code: NetworkErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
