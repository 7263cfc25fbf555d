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
