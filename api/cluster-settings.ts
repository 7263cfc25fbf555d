import { parseCidr } from '#machinery/values/cidr.ts';
import { formatGoDuration, parseGoDuration } from '#machinery/values/duration.ts';

/**
 * What every node of a cluster must know before it can take pods. The server writes it into a ConfigMap, which nodes may
 * read; each value is a string there, as `gantry up` takes it.
 */
export interface ClusterSettings {
  podCidr: string;
  serviceCidr: string;
  nodePortRange: { from: number; to: number };
  /** How long a node may be silent before it counts as lost. */
  nodeGraceMs: number;
  vxlan: VxlanSettings;
}

/** What nodes on different subnets send each other packets of pods by: identifier (VNI) and UDP port. */
export interface VxlanSettings {
  id: number;
  port: number;
}

/** Source: Kubernetes, --node-monitor-grace-period. */
export const NODE_GRACE_MS = 40_000;

/** As flannel has them, so that firewalls which let that through need no change. */
export const DEFAULT_VXLAN: VxlanSettings = { id: 1, port: 8472 };

/** The ConfigMap. */
export const CLUSTER_SETTINGS = { name: 'gantry-cluster', namespace: 'kube-system' } as const;

export function clusterSettingsData(settings: ClusterSettings): Record<string, string> {
  const { podCidr, serviceCidr, nodePortRange, nodeGraceMs, vxlan } = settings;
  return {
    ...{ podCidr, serviceCidr, nodePortRange: `${nodePortRange.from}-${nodePortRange.to}` },
    nodeGracePeriod: formatGoDuration(nodeGraceMs),
    vxlan: `${vxlan.id}:${vxlan.port}`,
  };
}

/** Throws RangeError for data that no server of ours has written. */
export function parseClusterSettings(data: Record<string, string> | undefined): ClusterSettings {
  const { podCidr = '', serviceCidr = '', nodePortRange = '', nodeGracePeriod, vxlan } = data ?? {};
  // Servers of before did not say it.
  const nodeGraceMs = nodeGracePeriod === undefined ? NODE_GRACE_MS : parseGoDuration(nodeGracePeriod);
  const overlay = vxlan === undefined ? DEFAULT_VXLAN : parseVxlanSettings(vxlan);
  const ports = parsePortRange(nodePortRange);
  if (!parseCidr(podCidr) || !parseCidr(serviceCidr) || !ports || !nodeGraceMs || !overlay)
    throw new RangeError(
      `${CLUSTER_SETTINGS.namespace}/${CLUSTER_SETTINGS.name} does not hold a cluster's settings`,
    );
  return { podCidr, serviceCidr, nodePortRange: ports, nodeGraceMs, vxlan: overlay };
}

/** `30000-32767`; undefined: it is no range of ports. */
export function parsePortRange(text: string): { from: number; to: number } | undefined {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  return range.from >= 1 && range.from <= range.to && range.to <= 65535 ? range : undefined;
}

/** Of 24 bits (RFC 7348). */
const MAX_VXLAN_ID = 0xff_ffff;

/** `1:8472`, identifier and UDP port; undefined: it is none. */
export function parseVxlanSettings(text: string): VxlanSettings | undefined {
  const [, id, port] = /^(\d{1,8}):(\d{1,5})$/.exec(text) ?? [];
  const vxlan = { id: Number(id), port: Number(port) };
  const isPossible = vxlan.id >= 1 && vxlan.id <= MAX_VXLAN_ID && vxlan.port >= 1 && vxlan.port <= 65535;
  return isPossible ? vxlan : undefined;
}
