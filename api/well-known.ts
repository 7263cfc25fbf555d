/** Below it is what a server shows to anybody: its authority, and what a machine needs to join. Source: RFC 8615. */
export const WELL_KNOWN = '/.well-known/gantry';

/** A POST there gets what makes a machine a server of the cluster. */
export const CONTROL_PLANE_PATH = '/gantry/v1/control-plane';

/** The ConfigMap that tells everybody where the server is and which authority to trust. Source: kubeadm. */
export const CLUSTER_INFO = { name: 'cluster-info', namespace: 'kube-public' };
