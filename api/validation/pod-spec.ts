/** Pods and pod templates. Source: Kubernetes API reference, PodSpec. */
import { parseAddress } from '#machinery/values/cidr.ts';
import type { Pod, PodSpec, PodTemplateSpec } from '../objects.ts';
import {
  checkContainers,
  checkContainersOfPod,
  checkEphemeralContainers,
  checkInitContainers,
} from './container.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, dnsSearchFaults, dnsSubdomainFaults, qualifiedNameFaults } from './names.ts';
import { checkAnnotations, checkLabels } from './object-meta.ts';
import { checkPodResources, checkQuantities } from './resources.ts';
import { checkAffinity, checkSpread, checkTolerations } from './scheduling.ts';
import { checkPodSecurityContext } from './security-context.ts';
import { checkVolumes } from './volumes.ts';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const INT32_MAX = 2 ** 31 - 1;

export const IP_RULE = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

export function checkPod(pod: Pod, faults: Faults): void {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  checkPodSpec(spec, true, 'spec', faults);
  if (!spec.serviceAccountName) checkNoTokens(spec, faults);
  checkContainersOfPod(spec.containers, 'spec.containers', faults);
  checkContainersOfPod(spec.initContainers, 'spec.initContainers', faults);
  if (spec.nodeName && spec.schedulingGates?.length)
    faults.forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared');
}

/** Tokens are made for an account. */
function checkNoTokens(spec: PodSpec, faults: Faults): void {
  for (const [index, { projected }] of (spec.volumes ?? []).entries())
    for (const [nth, { serviceAccountToken }] of (projected?.sources ?? []).entries()) {
      if (!serviceAccountToken) continue;
      const at = `spec.volumes[${index}].projected.sources[${nth}].serviceAccountToken`;
      faults.forbidden(at, 'must not be specified when serviceAccountName is not set');
    }
}

export function checkPodTemplate(template: PodTemplateSpec | undefined, field: string, faults: Faults): void {
  if (!template) {
    faults.required(field);
    return;
  }
  checkLabels(template.metadata?.labels, `${field}.labels`, faults);
  checkAnnotations(template.metadata?.annotations, `${field}.annotations`, faults);
  const spec: PodSpec = template.spec ?? { containers: [] };
  checkPodSpec(spec, false, `${field}.spec`, faults);
  if (spec.ephemeralContainers?.length) {
    faults.forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
  }
}

function checkPodSpec(spec: PodSpec, isPod: boolean, field: string, faults: Faults): void {
  const volumes = checkVolumes(spec.volumes, `${field}.volumes`, faults);
  checkContainers(spec, `${field}.containers`, volumes, faults);
  checkInitContainers(spec, `${field}.initContainers`, volumes, faults);
  checkEphemeralContainers(spec, `${field}.ephemeralContainers`, volumes, faults);
  checkPodResources(spec.resources, `${field}.resources`, faults);
  checkHostNetworkPorts(spec, isPod, field, faults);
  faults.oneOf(`${field}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES);
  faults.oneOf(`${field}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES);
  checkLabels(spec.nodeSelector, `${field}.nodeSelector`, faults);
  checkPodSecurityContext(spec, `${field}.securityContext`, faults);
  checkAffinity(spec.affinity, `${field}.affinity`, faults);
  checkDnsConfig(spec, `${field}.dnsConfig`, faults);
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    const at = `${field}.readinessGates[${index}].conditionType`;
    const type = gate.conditionType ?? '';
    faults.invalidFor(at, type, qualifiedNameFaults(type));
  }
  checkSchedulingGates(spec, `${field}.schedulingGates`, faults);
  checkSpread(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`, faults);
  if (spec.hostUsers === false) checkNoHostNamespaces(spec, field, faults);
  checkName('serviceAccountName', spec, field, faults);
  checkName('nodeName', spec, field, faults);
  checkDeadline(spec.activeDeadlineSeconds, `${field}.activeDeadlineSeconds`, faults);
  for (const part of ['hostname', 'subdomain'] as const) {
    const name = spec[part];
    if (name) faults.invalidFor(`${field}.${part}`, name, dnsLabelFaults(name));
  }
  checkTolerations(spec.tolerations, `${field}.tolerations`, faults);
  checkHostAliases(spec, `${field}.hostAliases`, faults);
  checkName('priorityClassName', spec, field, faults);
  checkName('runtimeClassName', spec, field, faults);
  if (spec.preemptionPolicy !== undefined) {
    faults.oneOf(`${field}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  }
  // Kubernetes judges overhead as the limits of a container.
  checkQuantities(spec.overhead, `${field}.overhead.limits`, faults);
  if (!spec.os) return;
  if (!spec.os.name) faults.required(`${field}.os.name`, 'cannot be empty');
  else if (!OPERATING_SYSTEMS.includes(spec.os.name))
    faults.notSupported(`${field}.os`, spec.os.name, OPERATING_SYSTEMS);
}

const OPERATING_SYSTEMS = ['linux', 'windows'];

/** The name of another object. */
function checkName(
  part: 'serviceAccountName' | 'nodeName' | 'priorityClassName' | 'runtimeClassName',
  spec: PodSpec,
  field: string,
  faults: Faults,
): void {
  const name = spec[part];
  if (name) faults.invalidFor(`${field}.${part}`, name, dnsSubdomainFaults(name));
}

function checkDeadline(deadline: number | undefined, field: string, faults: Faults): void {
  if (deadline !== undefined && (deadline < 1 || deadline > INT32_MAX))
    faults.invalid(field, deadline, `must be between 1 and ${INT32_MAX}, inclusive`);
}

/** With users of its own a pod has namespaces of its own; two of the names begin with a capital in Kubernetes. */
function checkNoHostNamespaces(spec: PodSpec, field: string, faults: Faults): void {
  const detail = 'when `pod.Spec.HostUsers` is false';
  if (spec.hostNetwork) faults.forbidden(`${field}.hostNetwork`, detail);
  if (spec.hostPID) faults.forbidden(`${field}.HostPID`, detail);
  if (spec.hostIPC) faults.forbidden(`${field}.HostIPC`, detail);
}

const NAMESERVERS_MAX = 3;
const SEARCHES_MAX = 32;
const SEARCH_CHARACTERS_MAX = 2048;

/** The limits are those of libc's resolver. */
function checkDnsConfig({ dnsConfig, dnsPolicy }: PodSpec, field: string, faults: Faults): void {
  if (dnsPolicy === 'None') {
    if (!dnsConfig) {
      faults.required(field, 'must provide `dnsConfig` when `dnsPolicy` is None');
      return;
    }
    if (!dnsConfig.nameservers?.length) {
      const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      faults.required(`${field}.nameservers`, detail);
      return;
    }
  }
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  if (nameservers.length > NAMESERVERS_MAX) {
    faults.invalid(
      `${field}.nameservers`,
      nameservers,
      `must not have more than ${NAMESERVERS_MAX} nameservers`,
    );
  }
  for (const [index, ip] of nameservers.entries()) checkIp(ip, `${field}.nameservers[${index}]`, faults);
  if (searches.length > SEARCHES_MAX) {
    faults.invalid(`${field}.searches`, searches, `must not have more than ${SEARCHES_MAX} search paths`);
  }
  if (searches.join(' ').length > SEARCH_CHARACTERS_MAX) {
    const detail = `must not have more than ${SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list`;
    faults.invalid(`${field}.searches`, searches, detail);
  }
  for (const [index, search] of searches.entries()) {
    if (search === '.') continue;
    const name = search.replace(/\.$/, '');
    faults.invalidFor(`${field}.searches[${index}]`, name, dnsSearchFaults(name));
  }
  for (const [index, { name }] of options.entries()) {
    if (!name) faults.required(`${field}.options[${index}]`, 'must not be empty');
  }
}

function checkSchedulingGates(spec: PodSpec, field: string, faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    faults.invalidFor(`${field}[${index}]`, name ?? '', qualifiedNameFaults(name ?? ''));
    if (seen.has(name)) faults.duplicate(`${field}[${index}]`, name);
    seen.add(name);
  }
}

function checkHostAliases(spec: PodSpec, field: string, faults: Faults): void {
  for (const [index, { ip, hostnames }] of (spec.hostAliases ?? []).entries()) {
    checkIp(ip, `${field}[${index}].ip`, faults);
    for (const [at, hostname] of (hostnames ?? []).entries()) {
      faults.invalidFor(`${field}[${index}].hostnames[${at}]`, hostname, dnsSubdomainFaults(hostname));
    }
  }
}

/** On the host's network a container port is a host port; a template may leave the host port out. */
function checkHostNetworkPorts(spec: PodSpec, isPod: boolean, field: string, faults: Faults): void {
  if (!spec.hostNetwork) return;
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [at, { hostPort = 0, containerPort }] of (container.ports ?? []).entries()) {
      if (hostPort === containerPort || (hostPort === 0 && !isPod)) continue;
      const detail = 'must match `containerPort` when `hostNetwork` is true';
      faults.invalid(`${field}.containers[${index}].ports[${at}].hostPort`, hostPort, detail);
    }
  }
}

export function checkIp(ip: string | undefined, field: string, faults: Faults): void {
  if (!ip || !parseAddress(ip)) faults.invalid(field, ip ?? '', IP_RULE);
}
