import type { Container, Pod } from '#api/objects.ts';
import { envReferences } from '../spec/env.ts';

export interface References {
  configMaps: string[];
  secrets: string[];
}

/** The ConfigMaps and Secrets of its namespace that a pod's volumes and variables need. */
export function podReferences(pod: Pod): References {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.configMap?.name) configMaps.add(volume.configMap.name);
    if (volume.secret?.secretName) secrets.add(volume.secret.secretName);
    for (const source of volume.projected?.sources ?? []) {
      if (source.configMap?.name) configMaps.add(source.configMap.name);
      if (source.secret?.name) secrets.add(source.secret.name);
    }
  }
  const containers = [
    ...(pod.spec?.initContainers ?? []),
    ...(pod.spec?.containers ?? []),
    ...((pod.spec?.ephemeralContainers ?? []) as Container[]),
  ];
  for (const container of containers) {
    const env = envReferences(container);
    for (const name of env.configMaps) configMaps.add(name);
    for (const name of env.secrets) secrets.add(name);
  }
  return { configMaps: [...configMaps], secrets: [...secrets] };
}
