/** What scheduling asks of a pod, worked out once. */
import { keyOf, type ObjectKey, type Pod, type PodSpec } from '#api/objects.ts';
import { controllerOf } from '#api/semantics/owners.ts';
import { type Amounts, podRequests } from '#api/semantics/resources.ts';

export interface HostPort {
  protocol: string;
  /** `0.0.0.0` = every address. */
  ip: string;
  port: number;
}

export interface PodNeeds {
  key: ObjectKey;
  pod: Pod;
  spec: PodSpec;
  requests: Amounts;
  /** Requests with a guess for containers that ask for nothing, for scores only. */
  scored: { cpu: number; memory: number };
  hostPorts: HostPort[];
  /** Uid of its controller, by which pods are spread. */
  group: string | undefined;
}

/** What a container without requests is taken to use. Source: Kubernetes, non-zero requests of the scheduler. */
const GUESSED_CPU = 100;
const GUESSED_MEMORY = 200 * 1024 * 1024;

const known = new WeakMap<PodSpec, PodNeeds>();

export function needsOf(pod: Pod): PodNeeds {
  const spec = pod.spec ?? { containers: [] };
  const seen = known.get(spec);
  if (seen?.pod === pod) return seen;
  const requests = podRequests(spec);
  const guess = (name: 'cpu' | 'memory', amount: number) =>
    spec.containers.filter((container) => container.resources?.requests?.[name] === undefined).length *
    amount;
  const needs: PodNeeds = {
    key: keyOf(pod),
    pod,
    spec,
    requests,
    scored: {
      cpu: (requests['cpu'] ?? 0) + guess('cpu', GUESSED_CPU),
      memory: (requests['memory'] ?? 0) + guess('memory', GUESSED_MEMORY),
    },
    hostPorts: hostPortsOf(spec),
    group: controllerOf(pod)?.uid,
  };
  known.set(spec, needs);
  return needs;
}

function hostPortsOf(spec: PodSpec): HostPort[] {
  return [...spec.containers, ...(spec.initContainers ?? [])].flatMap((container) =>
    (container.ports ?? [])
      .filter(({ hostPort }) => hostPort !== undefined && hostPort > 0)
      .map(({ hostPort, hostIP, protocol }) => ({
        protocol: protocol ?? 'TCP',
        ip: hostIP || '0.0.0.0',
        port: hostPort!,
      })),
  );
}
