/** Containers and init containers. Source: Kubernetes API reference, Container. */
import type { Container, PodSpec } from '../objects.ts';
import { isSidecar } from '../semantics/resources.ts';
import { checkEnv, checkEnvFrom } from './env.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, portNameFaults, portNumberFaults } from './names.ts';
import { checkProbes } from './probe.ts';
import { checkResources } from './resources.ts';
import { checkSecurityContext } from './security-context.ts';
import { checkVolumeMounts } from './volumes.ts';

type ContainerPort = NonNullable<Container['ports']>[number];

export const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError'];

export function checkContainers(
  spec: PodSpec,
  field: string,
  volumes: ReadonlySet<string>,
  faults: Faults,
): void {
  const containers = spec.containers ?? [];
  if (containers.length === 0) {
    faults.required(field);
    return;
  }
  const names = new Set<string>();
  const hostPorts = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const at = `${field}[${index}]`;
    checkContainer(container, at, spec, volumes, faults);
    if (names.has(container.name)) faults.duplicate(`${at}.name`, container.name);
    names.add(container.name);
    checkProbes(container, at, spec.terminationGracePeriodSeconds ?? 0, faults);
    if (container.restartPolicy !== undefined) {
      faults.forbidden(`${at}.restartPolicy`, 'may not be set for non-init containers');
    }
  }
  for (const [index, container] of containers.entries())
    checkHostPorts(container, `${field}[${index}]`, hostPorts, faults);
}

export function checkInitContainers(
  spec: PodSpec,
  field: string,
  volumes: ReadonlySet<string>,
  faults: Faults,
): void {
  const names = new Set((spec.containers ?? []).map((container) => container.name));
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const at = `${field}[${index}]`;
    checkContainer(container, at, spec, volumes, faults);
    if (container.restartPolicy !== undefined && !isSidecar(container)) {
      faults.notSupported(`${at}.restartPolicy`, container.restartPolicy, ['Always']);
    }
    if (names.has(container.name)) faults.duplicate(`${at}.name`, container.name);
    names.add(container.name);
    // They run one by one: only the ports of one container can clash. Kubernetes calls each of them the first.
    checkHostPorts(container, `${field}[0]`, new Set(), faults);
    if (isSidecar(container)) checkProbes(container, at, spec.terminationGracePeriodSeconds ?? 0, faults);
    else {
      for (const part of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (!container[part]) continue;
        faults.forbidden(`${at}.${part}`, 'may not be set for init containers without restartPolicy=Always');
      }
    }
  }
}

/** Parts that a container added to a running pod cannot have. */
const NOT_EPHEMERAL = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

export function checkEphemeralContainers(
  spec: PodSpec,
  field: string,
  volumes: ReadonlySet<string>,
  faults: Faults,
): void {
  const others = new Set(
    [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name),
  );
  const names = new Set(others);
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${field}[${index}]`;
    const { targetContainerName: target, ...common } = container;
    checkContainer(common as Container, at, spec, volumes, faults);
    checkImageOfPod(common.image, `${at}.image`, faults);
    if (names.has(container.name)) faults.duplicate(`${at}.name`, container.name);
    names.add(container.name);
    if (target && !others.has(target)) faults.notFound(`${at}.targetContainerName`, target);
    for (const part of NOT_EPHEMERAL) {
      const value = container[part];
      if (value !== undefined && Object.keys(value).length > 0) {
        faults.forbidden(`${at}.${part}`, 'cannot be set for an Ephemeral Container');
      }
    }
    for (const [nth, mount] of (container.volumeMounts ?? []).entries()) {
      for (const part of ['subPath', 'subPathExpr'] as const) {
        if (!mount[part]) continue;
        faults.forbidden(`${at}.volumeMounts[${nth}].${part}`, 'cannot be set for an Ephemeral Container');
      }
    }
  }
}

/** What only a pod must obey, while templates are let through for old times' sake. */
export function checkContainersOfPod(
  containers: Container[] | undefined,
  field: string,
  faults: Faults,
): void {
  for (const [index, { image }] of (containers ?? []).entries())
    checkImageOfPod(image, `${field}[${index}].image`, faults);
}

function checkImageOfPod(image: string | undefined, field: string, faults: Faults): void {
  if (image && image !== image.trim())
    faults.invalid(field, image, 'must not have leading or trailing whitespace');
}

function checkContainer(
  container: Container,
  at: string,
  spec: PodSpec,
  volumes: ReadonlySet<string>,
  faults: Faults,
): void {
  if (!container.name) faults.required(`${at}.name`);
  else faults.invalidFor(`${at}.name`, container.name, dnsLabelFaults(container.name));
  if (!container.image) faults.required(`${at}.image`);
  faults.oneOf(`${at}.terminationMessagePolicy`, container.terminationMessagePolicy, MESSAGE_POLICIES);
  checkPorts(container.ports, `${at}.ports`, faults);
  checkEnv(container.env, `${at}.env`, faults);
  checkEnvFrom(container.envFrom, `${at}.envFrom`, faults);
  checkVolumeMounts(container, volumes, `${at}.volumeMounts`, faults);
  faults.oneOf(`${at}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES);
  checkResources(container.resources, `${at}.resources`, faults);
  checkResizePolicy(container.resizePolicy, spec, `${at}.resizePolicy`, faults);
  checkSecurityContext(container.securityContext, spec, `${at}.securityContext`, faults);
}

/** Kubernetes names the list for what is wrong in an element of it. */
function checkResizePolicy(
  policies: Container['resizePolicy'] | undefined,
  spec: PodSpec,
  field: string,
  faults: Faults,
): void {
  const seen = new Set<string>();
  for (const [index, { resourceName, restartPolicy }] of (policies ?? []).entries()) {
    if (seen.has(resourceName)) faults.duplicate(`${field}[${index}]`, resourceName);
    seen.add(resourceName);
    faults.oneOf(field, resourceName, ['cpu', 'memory']);
    faults.oneOf(field, restartPolicy, ['NotRequired', 'RestartContainer']);
    if (spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      faults.invalid(field, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
  }
}

function checkPorts(ports: ContainerPort[] | undefined, field: string, faults: Faults): void {
  const names = new Set<string>();
  for (const [index, { name, containerPort, hostPort, protocol }] of (ports ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (name) {
      const details = portNameFaults(name);
      faults.invalidFor(`${at}.name`, name, details);
      if (details.length === 0 && names.has(name)) faults.duplicate(`${at}.name`, name);
      names.add(name);
    }
    if (!containerPort) faults.required(`${at}.containerPort`);
    else faults.invalidFor(`${at}.containerPort`, containerPort, portNumberFaults(containerPort));
    if (hostPort) faults.invalidFor(`${at}.hostPort`, hostPort, portNumberFaults(hostPort));
    faults.oneOf(`${at}.protocol`, protocol, PROTOCOLS);
  }
}

function checkHostPorts(container: Container, at: string, taken: Set<string>, faults: Faults): void {
  for (const [index, { hostPort, hostIP, protocol }] of (container.ports ?? []).entries()) {
    if (!hostPort) continue;
    const address = `${protocol}/${hostIP ?? ''}/${hostPort}`;
    if (taken.has(address)) faults.duplicate(`${at}.ports[${index}].hostPort`, address);
    taken.add(address);
  }
}
