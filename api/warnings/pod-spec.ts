/**
 * What people should know of a pod or pod template that is taken: fields that do nothing any more, definitions that hide
 * one another. Source: Kubernetes, pkg/api/pod/warnings.go.
 */
import type * as k8s from '@kubernetes/client-node';
import type { Container, ObjectMeta, PodSpec, PodTemplateSpec, Volume, Wire } from '../objects.ts';
import { deprecatedNodeLabel, nodeTermWarnings } from './node-labels.ts';
import { overlapWarnings } from './paths.ts';
import { portWarnings } from './ports.ts';
import { fractionalBytes } from './quantities.ts';
import { claimSpecWarnings, DEPRECATED_VOLUMES, volumeFieldName } from './volumes.ts';

type Metadata = Pick<ObjectMeta, 'annotations'>;

/** A container and the path of its field. */
export type Placed = readonly [container: Container, at: string];

/** `field`: of the template, as `spec.template`. */
export function podTemplateWarnings(template: PodTemplateSpec | undefined, field: string): string[] {
  if (!template?.spec) return [];
  return specWarnings(template.spec, template.metadata ?? {}, `${field}.`);
}

/** `prefix`: `spec.template.`, or nothing for a pod itself. */
export function specWarnings(spec: PodSpec, metadata: Metadata, prefix: string): string[] {
  const containers = containersOf(spec, `${prefix}spec`);
  const profile = spec.securityContext?.appArmorProfile;
  return [
    ...schedulingWarnings(spec, `${prefix}spec`),
    ...annotationWarnings(metadata, `${prefix}metadata.annotations`),
    ...(spec.volumes ?? []).flatMap((volume, index) =>
      volumeWarnings(volume, `${prefix}spec.volumes[${index}]`),
    ),
    ...overlapWarnings(spec.volumes ?? []),
    ...listWarnings(spec, `${prefix}spec`),
    ...BYTES.flatMap((resource) => fractionalBytes(spec.overhead, resource, `${prefix}spec.overhead`)),
    ...seccompWarnings(spec.securityContext, metadata, POD_SECCOMP, prefix),
    ...containers.flatMap(([container, at]) => [
      ...seccompWarnings(container.securityContext, metadata, `${SECCOMP}${container.name}`, prefix),
      // Of a pod itself it is said when annotation and field are made equal.
      ...(prefix && !profile ? appArmorWarnings(container, metadata, prefix) : []),
      ...containerWarnings(container, at),
    ]),
    ...portWarnings(containers),
    ...graceWarnings(spec, `${prefix}spec`),
    ...podAffinityWarnings(spec, `${prefix}spec.affinity`),
  ];
}

function containersOf(spec: PodSpec, field: string): Placed[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map(
      (container, index): Placed => [container as Container, `${field}.${list}[${index}]`],
    ),
  );
}

const NO_SELECTOR = 'a null labelSelector results in matching no pod';

function schedulingWarnings(spec: PodSpec, field: string): string[] {
  const warnings: string[] = [];
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const text = deprecatedNodeLabel(key);
    if (text) warnings.push(`${field}.nodeSelector[${key}]: ${text}`);
  }
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...affinity } =
    spec.affinity?.nodeAffinity ?? {};
  const at = `${field}.affinity.nodeAffinity`;
  for (const [index, term] of (required?.nodeSelectorTerms ?? []).entries())
    warnings.push(
      ...nodeTermWarnings(
        term,
        `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`,
        true,
      ),
    );
  for (const [index, term] of (affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    warnings.push(
      ...nodeTermWarnings(
        term.preference,
        `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`,
        true,
      ),
    );
  for (const [index, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const constraint = `${field}.topologySpreadConstraints[${index}]`;
    const text = deprecatedNodeLabel(topologyKey);
    if (text) warnings.push(`${constraint}.topologyKey: ${topologyKey} is ${text}`);
    if (!labelSelector) warnings.push(`${constraint}.labelSelector: ${NO_SELECTOR}`);
  }
  return warnings;
}

const DEPRECATED_ANNOTATIONS = [
  [
    'scheduler.alpha.kubernetes.io/critical-pod',
    'non-functional in v1.16+; use the "priorityClassName" field instead',
  ],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  [
    'security.alpha.kubernetes.io/unsafe-sysctls',
    'non-functional in v1.11+; use the "sysctls" field instead',
  ],
] as const;

function annotationWarnings({ annotations }: Metadata, field: string): string[] {
  return DEPRECATED_ANNOTATIONS.filter(([key]) => annotations?.[key] !== undefined).map(
    ([key, text]) => `${field}[${key}]: ${text}`,
  );
}

function volumeWarnings(volume: Volume, field: string): string[] {
  const warnings = DEPRECATED_VOLUMES.filter(
    ([name]) => (volume as unknown as Record<string, unknown>)[name],
  ).map(([name, text]) => `${field}.${volumeFieldName(name)}: ${text}`);
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  return [...warnings, ...claimSpecWarnings(claim, `${field}.ephemeral.volumeClaimTemplate.spec`)];
}

function listWarnings({ hostAliases = [], imagePullSecrets = [] }: PodSpec, field: string): string[] {
  const repeated = <T>(list: T[]) => list.map((item, index) => list.indexOf(item) < index);
  const ips = hostAliases.map(({ ip }) => ip);
  const names = imagePullSecrets.map(({ name = '' }) => name);
  const twice = repeated(names);
  return [
    ...repeated(ips).flatMap((isRepeated, index) =>
      isRepeated ? [`${field}.hostAliases[${index}].ip: duplicate ip ${JSON.stringify(ips[index])}`] : [],
    ),
    ...names.flatMap((name, index) =>
      twice[index]
        ? [`${field}.imagePullSecrets[${index}].name: duplicate name ${JSON.stringify(name)}`]
        : [],
    ),
    ...names.flatMap((name, index) =>
      name === '' ? [`${field}.imagePullSecrets[${index}].name: invalid empty name ""`] : [],
    ),
  ];
}

const BYTES = ['memory', 'ephemeral-storage'] as const;
const POD_SECCOMP = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP = 'container.seccomp.security.alpha.kubernetes.io/';
/** Before the name of the container. */
export const APP_ARMOR = 'container.apparmor.security.beta.kubernetes.io/';
export const APP_ARMOR_TEXT = 'deprecated since v1.30; use the "appArmorProfile" field instead';

function seccompWarnings(
  context: { seccompProfile?: unknown } | undefined,
  { annotations }: Metadata,
  key: string,
  prefix: string,
): string[] {
  if (context?.seccompProfile || annotations?.[key] === undefined) return [];
  return [
    `${prefix}metadata.annotations[${key}]: non-functional in v1.27+; use the "seccompProfile" field instead`,
  ];
}

function appArmorWarnings(container: Container, { annotations }: Metadata, prefix: string): string[] {
  const key = `${APP_ARMOR}${container.name}`;
  if (container.securityContext?.appArmorProfile || annotations?.[key] === undefined) return [];
  return [`${prefix}metadata.annotations[${key}]: ${APP_ARMOR_TEXT}`];
}

function containerWarnings({ resources, env = [] }: Container, at: string): string[] {
  const seen = new Set<string>();
  return [
    ...BYTES.flatMap((resource) => [
      ...fractionalBytes(resources?.limits, resource, `${at}.resources.limits`),
      ...fractionalBytes(resources?.requests, resource, `${at}.resources.requests`),
    ]),
    ...env.flatMap(({ name, value = '', valueFrom }, index) => {
      const isRepeated = seen.has(name);
      seen.add(name);
      const before = `$(${name})`;
      // A value that is built on the one before is meant so.
      if (!isRepeated || (!valueFrom && value !== before && value.includes(before))) return [];
      return [
        `${at}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
      ];
    }),
  ];
}

function graceWarnings({ terminationGracePeriodSeconds: seconds = 0 }: PodSpec, field: string): string[] {
  if (seconds >= 0) return [];
  return [
    `${field}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
  ];
}

type Affinity = Wire<k8s.V1PodAffinity> | undefined;

function podAffinityWarnings({ affinity }: PodSpec, field: string): string[] {
  const { podAffinity, podAntiAffinity } = affinity ?? {};
  return [
    ...termWarnings(podAffinity, `${field}.podAffinity`),
    ...termWarnings(podAntiAffinity, `${field}.podAntiAffinity`),
  ];
}

function termWarnings(affinity: Affinity, field: string): string[] {
  const {
    requiredDuringSchedulingIgnoredDuringExecution: required = [],
    preferredDuringSchedulingIgnoredDuringExecution: preferred = [],
  } = affinity ?? {};
  const unselected = (at: string) => [`${at}.labelSelector: ${NO_SELECTOR}`];
  return [
    ...required.flatMap(({ labelSelector }, index) =>
      labelSelector ? [] : unselected(`${field}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`),
    ),
    ...preferred.flatMap(({ podAffinityTerm }, index) =>
      podAffinityTerm?.labelSelector
        ? []
        : unselected(`${field}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm`),
    ),
  ];
}
