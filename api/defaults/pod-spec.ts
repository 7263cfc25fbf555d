/**
 * What Kubernetes fills into a pod spec when the user leaves it out. A pod gets a little more than a template: what
 * depends on the pod being final. Source: Kubernetes API reference, defaults in the field descriptions of PodSpec.
 */
import type { Pod, PodSpec, PodStatus, PodTemplateSpec, Volume } from '../objects.ts';
import { defaultContainer, defaultFieldRef } from './container.ts';
import { canonicalQuantities, canonicalQuantityOr } from './quantities.ts';

/** Mode of files in volumes made from objects: rw-r--r--. */
const FILE_MODE = 0o644;
/** Life of a projected service-account token. */
const TOKEN_SECONDS = 3600;

/** The defaults of the template of a workload. */
export function defaultPodTemplate(template: PodTemplateSpec): void {
  template.spec ??= { containers: [] };
  // Clients in Go write a time that is not set as null.
  if (template.metadata?.creationTimestamp === null) delete template.metadata.creationTimestamp;
  defaultPodSpec(template.spec);
}

/** The defaults of a pod: those of its spec and what only a pod gets. */
export function defaultPod(pod: Pod): void {
  pod.spec ??= { containers: [] };
  pod.status ??= {};
  pairAddresses(pod.status);
  const { spec } = pod;
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const { limits } = container.resources ?? {};
    for (const name in limits) {
      container.resources!.requests ??= {};
      container.resources!.requests[name] ??= limits[name]!;
    }
    if (!spec.hostNetwork) continue;
    for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}

/** The first of podIPs is the podIP; where they differ, podIP counts. Source: core/v1 conversion of PodStatus. */
function pairAddresses(status: PodStatus): void {
  const { podIP, podIPs } = status;
  if (podIP && podIPs?.[0]?.ip !== podIP) status.podIPs = [{ ip: podIP }];
  else if (!podIP && podIPs?.length) status.podIP = podIPs[0]!.ip;
}

function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.schedulerName ||= 'default-scheduler';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  // The old name of the field is still read by clients; both always say the same.
  spec.serviceAccountName ||= spec.serviceAccount;
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else delete spec.serviceAccountName;
  canonicalQuantities(spec.overhead);
  canonicalQuantities(spec.resources?.requests);
  canonicalQuantities(spec.resources?.limits);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

function defaultVolume(volume: Volume): void {
  // A volume that names no source is a directory of its own.
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {};
  if (volume.emptyDir?.sizeLimit !== undefined) {
    volume.emptyDir.sizeLimit = canonicalQuantityOr(volume.emptyDir.sizeLimit);
  }
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.hostPath) volume.hostPath.type ??= '';
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    for (const item of volume.downwardAPI.items ?? []) defaultFieldRef(item);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS;
      for (const item of source.downwardAPI?.items ?? []) defaultFieldRef(item);
    }
  }
}
