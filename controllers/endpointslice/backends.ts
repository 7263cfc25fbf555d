/** The pods behind a Service as addresses with ports and conditions: what slices and legacy Endpoints are both made of. */
import type { Pod, Service } from '#api/objects.ts';
import { isPodReady, isPodTerminal, podAddresses } from '#api/semantics/pod-status.ts';
import { targetPortOf } from '#api/semantics/service-ports.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import { parseAddress } from '#machinery/values/cidr.ts';

export type Family = 'IPv4' | 'IPv6';

export interface Port {
  name?: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

export interface Backend {
  pod: Pod;
  ip: string;
  ports: Port[];
  ready: boolean;
  serving: boolean;
  terminating: boolean;
}

export const HEADLESS = 'service.kubernetes.io/headless';

/** Whether the Service's endpoints are ours to keep: it selects pods and is more than a name. */
export function hasBackends(service: Service | undefined): service is Service {
  return (
    service !== undefined &&
    service.spec?.type !== 'ExternalName' &&
    Object.keys(service.spec?.selector ?? {}).length > 0
  );
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** Address families of the Service, the primary one first. */
export function familiesOf(service: Service): Family[] {
  const families = (service.spec?.ipFamilies ?? []) as Family[];
  return families.length > 0 ? families : ['IPv4'];
}

/** Pods with an address of the family, in order of name. Pods that have ended are none. */
export function backendsOf(service: Service, pods: readonly Pod[], family: Family): Backend[] {
  const evenUnready = service.spec?.publishNotReadyAddresses ?? false;
  const backends: Backend[] = [];
  for (const pod of pods) {
    if (isPodTerminal(pod)) continue;
    const ip = podAddresses(pod).find((address) => familyOf(address) === family);
    if (!ip) continue;
    const serving = isPodReady(pod);
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const ready = evenUnready || (serving && !terminating);
    backends.push({ pod, ip, ports: portsOf(service, pod), ready, serving, terminating });
  }
  return backends.sort((a, b) => (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1));
}

/** By equal ports: pods may give the same port name different numbers. */
export function byPorts(backends: readonly Backend[]): Map<string, Backend[]> {
  const groups = new Map<string, Backend[]>();
  for (const backend of backends) {
    const key = portsKey(backend.ports);
    const group = groups.get(key);
    if (group) group.push(backend);
    else groups.set(key, [backend]);
  }
  return groups;
}

export function portsKey(ports: readonly object[]): string {
  return canonicalJson(ports);
}

function familyOf(address: string): Family | undefined {
  const parsed = parseAddress(address);
  return parsed && (parsed.family === 4 ? 'IPv4' : 'IPv6');
}

function portsOf(service: Service, pod: Pod): Port[] {
  const ports: Port[] = [];
  for (const port of service.spec?.ports ?? []) {
    const number = targetPortOf(pod, port);
    if (number === undefined) continue;
    const { name, protocol = 'TCP', appProtocol } = port;
    ports.push({ name: name ?? '', port: number, protocol, ...(appProtocol && { appProtocol }) });
  }
  return ports;
}
