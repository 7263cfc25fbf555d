import type { Container, EnvVar } from '#api/objects.ts';
import { type DownwardFacts, fieldValue, resourceValue } from '#volumes/downward.ts';
import { expand } from './expand.ts';
import { ConfigFault } from './fault.ts';

/** ConfigMaps and Secrets of the pod's namespace, already fetched; undefined = not there. */
export interface EnvSources {
  configMap(name: string): Record<string, Uint8Array> | undefined;
  secret(name: string): Record<string, Uint8Array> | undefined;
}

export interface EnvInput {
  container: Pick<Container, 'name' | 'env' | 'envFrom'>;
  facts: DownwardFacts;
  sources: EnvSources;
  /** Of the Services around the pod; anything else wins over it. */
  serviceEnv: Record<string, string>;
}

/**
 * What the pod's spec puts into the environment: envFrom, then env with its references expanded, then Service variables.
 * Throws ConfigFault when a ConfigMap, Secret, key or field is missing. Source: Kubernetes API, EnvVar.
 */
export function containerEnv(input: EnvInput): Record<string, string> {
  const env: Record<string, string> = {};
  for (const from of input.container.envFrom ?? []) Object.assign(env, envFrom(from, input));
  for (const variable of input.container.env ?? []) {
    const value = variable.valueFrom
      ? valueFrom(variable, input)
      : expand(variable.value ?? '', (name) => env[name] ?? input.serviceEnv[name]);
    if (value !== undefined) env[variable.name] = value;
  }
  return { ...input.serviceEnv, ...env };
}

type EnvFrom = NonNullable<Container['envFrom']>[number];

function envFrom(from: EnvFrom, { sources }: EnvInput): Record<string, string> {
  const reference = from.configMapRef ?? from.secretRef;
  if (!reference) return {};
  const name = reference.name ?? '';
  const data = from.configMapRef ? sources.configMap(name) : sources.secret(name);
  if (!data) {
    if (reference.optional) return {};
    throw new ConfigFault(`${from.configMapRef ? 'configmap' : 'secret'} ${JSON.stringify(name)} not found`);
  }
  const env: Record<string, string> = {};
  for (const [key, bytes] of Object.entries(data)) {
    const variable = `${from.prefix ?? ''}${key}`;
    // Such a name cannot be told from its value.
    if (!variable.includes('=')) env[variable] = Buffer.from(bytes).toString();
  }
  return env;
}

function valueFrom(variable: EnvVar, input: EnvInput): string | undefined {
  const from = variable.valueFrom!;
  const namespace = input.facts.pod.metadata.namespace;
  if (from.fieldRef) {
    const value = fieldValue(from.fieldRef.fieldPath, input.facts);
    if (value === undefined) throw new ConfigFault(`unsupported fieldPath: ${from.fieldRef.fieldPath}`);
    return value;
  }
  if (from.resourceFieldRef) {
    const value = resourceValue(from.resourceFieldRef, input.container.name, input.facts);
    if (value === undefined) throw new ConfigFault(`unsupported resource: ${from.resourceFieldRef.resource}`);
    return value;
  }
  const reference = from.configMapKeyRef ?? from.secretKeyRef;
  if (!reference) throw new ConfigFault(`environment variable ${variable.name} has an unsupported valueFrom`);
  const [kind, title] = from.configMapKeyRef ? ['configmap', 'ConfigMap'] : ['secret', 'Secret'];
  const name = reference.name ?? '';
  const data = from.configMapKeyRef ? input.sources.configMap(name) : input.sources.secret(name);
  const bytes = data?.[reference.key];
  if (bytes) return Buffer.from(bytes).toString();
  if (reference.optional) return undefined;
  if (!data) throw new ConfigFault(`${kind} ${JSON.stringify(name)} not found`);
  throw new ConfigFault(`couldn't find key ${reference.key} in ${title} ${namespace}/${name}`);
}

/** Names of the ConfigMaps and Secrets a container's environment needs. */
export function envReferences(container: Pick<Container, 'env' | 'envFrom'>): {
  configMaps: string[];
  secrets: string[];
} {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const from of container.envFrom ?? []) {
    if (from.configMapRef?.name) configMaps.add(from.configMapRef.name);
    if (from.secretRef?.name) secrets.add(from.secretRef.name);
  }
  for (const { valueFrom: from } of container.env ?? []) {
    if (from?.configMapKeyRef?.name) configMaps.add(from.configMapKeyRef.name);
    if (from?.secretKeyRef?.name) secrets.add(from.secretKeyRef.name);
  }
  return { configMaps: [...configMaps], secrets: [...secrets] };
}
