import type { Pod, ServicePort } from '../objects.ts';
import { isSidecar } from './resources.ts';

/**
 * The port of a pod that a service port leads to; undefined when the pod has no port of that name and protocol. Names
 * are looked up in app containers and sidecars. Source: Kubernetes documentation, "Service", field targetPort.
 */
export function targetPortOf(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)];
  for (const container of containers) {
    for (const { name, containerPort, protocol = 'TCP' } of container.ports ?? []) {
      if (name === target && protocol === (port.protocol ?? 'TCP')) return containerPort;
    }
  }
  return undefined;
}

/** The number of a port given by number or by the name of a port of one container (probes, lifecycle hooks). */
export function containerPortNumber(
  port: number | string,
  container: { ports?: { name?: string; containerPort: number }[] },
): number | undefined {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port);
  if (named) return named.containerPort;
  return /^[0-9]+$/.test(port) ? Number(port) : undefined;
}
