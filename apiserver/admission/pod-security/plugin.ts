import { NamespaceKind } from '#api/kinds/namespace.ts';
import type { Namespace, Pod } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../contract.ts';
import { refusal } from '../refuse.ts';
import { type CheckedPod, LEVELS, type Level, violations } from './checks.ts';

/**
 * Pod Security admission: a namespace's labels say which standard its pods must keep (`enforce`, refused otherwise) and
 * about which breaches users are warned (`warn`), in pods and in the templates of workloads.
 * Source: kubernetes.io, Pod Security Admission.
 */
const PREFIX = 'pod-security.kubernetes.io/';
const MODES = ['enforce', 'warn', 'audit'] as const;
type Mode = (typeof MODES)[number];

/** Annotations of a pod's metadata that cannot change what it may do: status and labels may always be written. */
const CHECKED_SUBRESOURCES = ['', 'ephemeralcontainers'];

export const podSecurity: AdmissionPlugin = {
  name: 'PodSecurity',
  validate(request, objects) {
    if (request.operation === 'DELETE' || !CHECKED_SUBRESOURCES.includes(request.subresource)) return;
    if (request.kind.group === '' && request.kind.plural === 'namespaces') return checkNamespace(request);
    const pod = podIn(request);
    if (!pod || isUnchanged(request)) return;
    const namespace = objects.get(NamespaceKind, request.namespace);
    if (!namespace) return;
    enforce(request, pod, namespace);
    warn(request, pod, namespace);
  },
};

function enforce(request: AdmissionRequest, pod: CheckedPod, namespace: Namespace): void {
  if (request.kind.plural !== 'pods') return; // templates are only warned about: their pods will be refused
  const level = levelOf(namespace, 'enforce');
  const found = violations(level, pod);
  if (found.length > 0) throw refusal(request, violates(level, namespace, 'enforce', found));
}

function warn(request: AdmissionRequest, pod: CheckedPod, namespace: Namespace): void {
  const level = levelOf(namespace, 'warn');
  const found = violations(level, pod);
  if (found.length > 0)
    request.context.warnings.push(`would ${violates(level, namespace, 'warn', found, 'violate')}`);
}

function violates(
  level: Level,
  namespace: Namespace,
  mode: Mode,
  found: string[],
  verb = 'violates',
): string {
  const version = namespace.metadata.labels?.[`${PREFIX}${mode}-version`] ?? 'latest';
  return `${verb} PodSecurity ${JSON.stringify(`${level}:${version}`)}: ${found.join(', ')}`;
}

/** An unknown level is refused when the namespace is written; one that is there all the same counts as the strictest. */
function levelOf(namespace: Namespace, mode: Mode): Level {
  const label = namespace.metadata.labels?.[`${PREFIX}${mode}`];
  if (label === undefined) return 'privileged';
  return LEVELS.find((level) => level === label) ?? 'restricted';
}

function checkNamespace(request: AdmissionRequest): void {
  const labels = request.object?.metadata.labels ?? {};
  for (const mode of MODES) {
    const value = labels[`${PREFIX}${mode}`];
    if (value === undefined || LEVELS.some((level) => level === value)) continue;
    const field = `metadata.labels[${PREFIX}${mode}]`;
    const message = `Invalid value: ${JSON.stringify(value)}: must be one of ${LEVELS.join(', ')}`;
    throw new StatusError(
      'Invalid',
      `Namespace ${JSON.stringify(request.name)} is invalid: ${field}: ${message}`,
      { name: request.name, kind: 'Namespace', causes: [{ reason: 'FieldValueInvalid', message, field }] },
    );
  }
}

interface Template {
  metadata?: CheckedPod['metadata'];
  spec?: CheckedPod['spec'];
}

/** The pod of a request, or the pod that a workload's template would make. */
function podIn(request: AdmissionRequest): CheckedPod | undefined {
  const object = request.object as
    | {
        metadata: CheckedPod['metadata'];
        spec?: { template?: Template; jobTemplate?: { spec?: { template?: Template } } };
      }
    | undefined;
  if (request.kind.group === '' && request.kind.plural === 'pods') {
    const pod = object as unknown as Pod | undefined;
    return pod?.spec && { metadata: pod.metadata, spec: pod.spec };
  }
  const template = object?.spec?.template ?? object?.spec?.jobTemplate?.spec?.template;
  return template?.spec?.containers && { metadata: template.metadata ?? {}, spec: template.spec };
}

/** A change that leaves the spec alone (labels, finalizers) is let through, as what exists must stay manageable. */
function isUnchanged({ object, old }: AdmissionRequest): boolean {
  if (!object || !old) return false;
  const spec = (each: object) => JSON.stringify((each as { spec?: unknown }).spec);
  return spec(object) === spec(old);
}
