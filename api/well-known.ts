/** Below it is what a server shows to anybody: its authority, and what a machine needs to join. Source: RFC 8615. */
export const WELL_KNOWN = '/.well-known/gantry';

/** A POST there gets what makes a machine a server of the cluster. */
export const CONTROL_PLANE_PATH = '/gantry/v1/control-plane';

/** What is known of the authority of servers; a POST there takes a step in replacing it. */
export const ROTATE_AUTHORITY_PATH = '/gantry/v1/authority/rotation';

/** Below it is what is done with a node: its name, and what. */
export const NODES_PATH = '/gantry/v1/nodes';

/** A POST there removes a node from the cluster, and frees its name; the node itself may, too. */
export function leavePath(node: string): string {
  return `${NODES_PATH}/${node}/leave`;
}

/** The ConfigMap that tells everybody where the server is and which authority to trust. Source: kubeadm. */
export const CLUSTER_INFO = { name: 'cluster-info', namespace: 'kube-public' };

/** Which version a server runs, and of which machines it has programs: `{ version, architecture }`. */
export const VERSION_PATH = `${WELL_KNOWN}/version.json`;

/** The programs themselves, for machines of an architecture as Node names it: `x64`, `arm64`. */
export function programsPath(architecture: string): string {
  return `${WELL_KNOWN}/node-${architecture}.tar.gz`;
}
