/** Storage. Source: Kubernetes, pkg/api/{persistentvolume,persistentvolumeclaim,storage}/util.go. */
import type {
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  RuntimeClass,
  StorageClass,
} from '../objects.ts';
import { deprecatedNodeLabel, nodeSelectorWarnings, nodeTermWarnings } from './node-labels.ts';
import { fractionalBytes } from './quantities.ts';

/** Sources of volumes whose plugins are gone, or will be. */
export const DEPRECATED_VOLUMES = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

/** Kubernetes says nothing of these where they are volumes of their own. */
const UNTOLD: ReadonlySet<string> = new Set(['flocker', 'quobyte']);

/** Kubernetes writes the field as it does nowhere else. */
export function volumeFieldName(name: string): string {
  return name === 'storageos' ? 'storageOS' : name;
}

const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class';
const BETA_OPTIONS = 'volume.beta.kubernetes.io/mount-options';

function classAnnotation(annotations: Record<string, string> | undefined): string[] {
  if (annotations?.[BETA_CLASS] === undefined) return [];
  return [
    `metadata.annotations[${BETA_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead`,
  ];
}

export function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const warnings = classAnnotation(metadata.annotations);
  if (metadata.annotations?.[BETA_OPTIONS] !== undefined)
    warnings.push(
      `metadata.annotations[${BETA_OPTIONS}]: deprecated since v1.31; use "mountOptions" attribute instead`,
    );
  if (spec?.persistentVolumeReclaimPolicy === 'Recycle')
    warnings.push(
      'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    );
  for (const [index, term] of (spec?.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries())
    warnings.push(...nodeTermWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`, false));
  for (const [name, text] of DEPRECATED_VOLUMES)
    if (!UNTOLD.has(name) && (spec as Record<string, unknown> | undefined)?.[name])
      warnings.push(`spec.${volumeFieldName(name)}: ${text}`);
  return warnings;
}

export function claimWarnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  return [...classAnnotation(metadata.annotations), ...claimSpecWarnings(spec, 'spec')];
}

export function claimSpecWarnings(spec: PersistentVolumeClaim['spec'], field: string): string[] {
  const { requests, limits } = spec?.resources ?? {};
  return [
    ...fractionalBytes(requests, 'storage', `${field}.resources.requests`),
    ...fractionalBytes(limits, 'storage', `${field}.resources.limits`),
  ];
}

export function storageClassWarnings({ allowedTopologies }: StorageClass): string[] {
  return (allowedTopologies ?? []).flatMap(({ matchLabelExpressions }, index) =>
    (matchLabelExpressions ?? []).flatMap(({ key }, place) => {
      const text = deprecatedNodeLabel(key);
      const at = `allowedTopologies[${index}].matchLabelExpressions[${place}].key`;
      return text === undefined ? [] : [`${at}: ${text}`];
    }),
  );
}

export function storageCapacityWarnings({ nodeTopology }: CSIStorageCapacity): string[] {
  return nodeSelectorWarnings(nodeTopology, 'nodeTopology');
}

export function runtimeClassWarnings({ scheduling }: RuntimeClass): string[] {
  return Object.keys(scheduling?.nodeSelector ?? {}).flatMap((label) => {
    const text = deprecatedNodeLabel(label);
    return text === undefined ? [] : [`scheduling.nodeSelector: ${text}`];
  });
}
