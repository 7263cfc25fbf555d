/**
 * The door to the kernel's netlink: raw batches in, raw replies out. The runtime's helper holds the sockets (Node cannot
 * open them); cmd injects it. Source: RFC 3549, netlink(7).
 */
export interface NetlinkRequest {
  /** Path of a network namespace; the node's own when left out. */
  networkNamespace?: string;
  /** NETLINK_ROUTE = 0, NETLINK_NETFILTER = 12. */
  protocol: number;
  /** One or more whole netlink messages; the last one asks for an ACK or is a dump. */
  request: Uint8Array;
}

export interface Netlink {
  /** All messages up to the ACK, error or DONE that answers the last message of the request. */
  exchange(request: NetlinkRequest): Promise<Uint8Array>;
}

/** The door by which whole Ethernet frames go out of a link of the node's own network namespace. Source: packet(7). */
export interface Frames {
  transmit(link: number, frame: Uint8Array): Promise<void>;
}
