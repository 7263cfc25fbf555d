import type { Pod } from '#api/objects.ts';
import { qosClassOf } from '#api/semantics/qos.ts';
import type { SandboxSpec } from '#runtime/contract.ts';
import { type AgentPaths, logDirectory } from '../paths.ts';
import type { LimitOptions } from './limits.ts';
import { CGROUP_PARENT, podResources } from './resources.ts';

/** Labels by which a sandbox and its containers are known again after the agent restarted. */
export const LABELS = {
  namespace: 'io.kubernetes.pod.namespace',
  pod: 'io.kubernetes.pod.name',
  uid: 'io.kubernetes.pod.uid',
  container: 'io.kubernetes.container.name',
  attempt: 'io.kubernetes.container.restartCount',
  image: 'gantry.dev/image',
  imageId: 'gantry.dev/image-id',
  /** The image's own, as it writes it; left out when it names none. */
  stopSignal: 'gantry.dev/stop-signal',
  /** Requests and limits it was started with, as JSON. */
  resources: 'gantry.dev/resources',
} as const;

/** A pod as the runtime's sandbox. `hostname` is decided by hosts.ts, `handler` by the pod's RuntimeClass. */
export function sandboxSpec(
  pod: Pod,
  hostname: string,
  handler: string,
  paths: AgentPaths,
  limits?: LimitOptions,
): SandboxSpec {
  const spec = pod.spec!;
  const { name, namespace = '', uid = '' } = pod.metadata;
  const sysctls = (spec.securityContext?.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value]);
  return {
    id: uid,
    ...(handler && { handler }),
    hostname,
    namespaces: {
      network: spec.hostNetwork ? 'node' : 'pod',
      pid: spec.hostPID ? 'node' : 'pod',
      ipc: spec.hostIPC ? 'node' : 'pod',
    },
    sharedPid: spec.shareProcessNamespace ?? false,
    labels: { [LABELS.namespace]: namespace, [LABELS.pod]: name, [LABELS.uid]: uid },
    cgroupParent: CGROUP_PARENT[qosClassOf(spec)],
    resources: podResources(spec, limits),
    sysctls: Object.fromEntries(sysctls) as Record<string, string>,
    logDirectory: logDirectory(paths, pod),
  };
}
