/** Ports of the containers of a pod that are defined twice. Source: Kubernetes, pkg/api/pod/warnings.go. */
import type * as k8s from '@kubernetes/client-node';
import type { Wire } from '../objects.ts';
import type { Placed } from './pod-spec.ts';

type Port = Wire<k8s.V1ContainerPort>;

export function portWarnings(containers: readonly Placed[]): string[] {
  const known = new Map<string, { port: Port; at: string }[]>();
  return containers.flatMap(([{ ports = [] }, container]) =>
    ports.flatMap((port, index) => {
      const at = `${container}.ports[${index}]`;
      const key = `${port.containerPort}/${port.protocol ?? ''}`;
      const others = known.get(key) ?? [];
      known.set(key, [...others, { port, at }]);
      return [
        ...(port.hostIP && !port.hostPort ? [`${at}: hostIP set without hostPort: ${portText(port)}`] : []),
        ...others.flatMap((other) => clash(port, other.port).map((how) => `${at}: ${how} ${other.at}`)),
      ];
    }),
  );
}

/** Why the same port of another container, or of this one, is in the way: at most one reason. */
function clash(port: Port, other: Port): string[] {
  const [ip = '', otherIp = ''] = [port.hostIP, other.hostIP];
  const [host = 0, otherHost = 0] = [port.hostPort, other.hostPort];
  if (ip === otherIp && host === otherHost) return ['duplicate port definition with'];
  if (host === 0 || otherHost === 0) return ['overlapping port definition with'];
  return host === otherHost && (ip === '') !== (otherIp === '')
    ? ['dangerously ambiguous port definition with']
    : [];
}

/** As Go prints its ContainerPort. */
function portText({ name = '', hostPort = 0, containerPort, protocol = '', hostIP = '' }: Port): string {
  return `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;
}
