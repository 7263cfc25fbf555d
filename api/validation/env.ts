/** Env variables and where their values come from. Source: Kubernetes API reference, EnvVar, EnvFromSource. */
import type { Container, EnvVar } from '../objects.ts';
import type { Faults } from './faults.ts';
import {
  configKeyFaults,
  dnsSubdomainFaults,
  envNameFaults,
  isDnsSubdomain,
  qualifiedNameFaults,
} from './names.ts';

type EnvFrom = NonNullable<Container['envFrom']>[number];
type FieldRef = { apiVersion?: string; fieldPath: string };
type ResourceFieldRef = { containerName?: string; resource: string; divisor?: string };

export function checkEnv(env: EnvVar[] | undefined, field: string, faults: Faults): void {
  for (const [index, variable] of (env ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (!variable.name) faults.required(`${at}.name`);
    else faults.invalidFor(`${at}.name`, variable.name, envNameFaults(variable.name));
    if (variable.valueFrom) checkValueFrom(variable, `${at}.valueFrom`, faults);
  }
}

function checkValueFrom({ value, valueFrom }: EnvVar, field: string, faults: Faults): void {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, ...others } = valueFrom!;
  const sources = [
    fieldRef,
    resourceFieldRef,
    configMapKeyRef,
    secretKeyRef,
    ...Object.values(others),
  ].filter(Boolean);
  if (fieldRef) checkFieldRef(fieldRef, ENV_FIELDS, `${field}.fieldRef`, faults);
  if (resourceFieldRef) checkResourceFieldRef(resourceFieldRef, `${field}.resourceFieldRef`, faults);
  if (configMapKeyRef) checkKeyRef(configMapKeyRef, `${field}.configMapKeyRef`, faults);
  if (secretKeyRef) checkKeyRef(secretKeyRef, `${field}.secretKeyRef`, faults);
  if (sources.length === 0) {
    const detail = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    faults.invalid(field, '', detail);
  } else if (value) faults.invalid(field, '', 'may not be specified when `value` is not empty');
  else if (sources.length > 1)
    faults.invalid(field, '', 'may not have more than one field specified at a time');
}

function checkKeyRef(ref: { name?: string; key?: string }, field: string, faults: Faults): void {
  faults.invalidFor(`${field}.name`, ref.name ?? '', dnsSubdomainFaults(ref.name ?? ''));
  if (!ref.key) faults.required(`${field}.key`);
  else faults.invalidFor(`${field}.key`, ref.key, configKeyFaults(ref.key));
}

export function checkEnvFrom(envFrom: EnvFrom[] | undefined, field: string, faults: Faults): void {
  for (const [index, { prefix, configMapRef, secretRef }] of (envFrom ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (prefix) faults.invalidFor(`${at}.prefix`, prefix, envNameFaults(prefix));
    if (configMapRef) checkName(configMapRef.name, `${at}.configMapRef.name`, faults);
    if (secretRef) checkName(secretRef.name, `${at}.secretRef.name`, faults);
    if (!configMapRef && !secretRef)
      faults.invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`');
    else if (configMapRef && secretRef) {
      faults.invalid(field, '', 'may not have more than one field specified at a time');
    }
  }
}

/** Kubernetes takes a name with a hyphen at its end here. */
function checkName(name: string | undefined, field: string, faults: Faults): void {
  if (!name) faults.required(field);
  else faults.invalidFor(field, name, isDnsSubdomain(name, true));
}

/** Fields of a pod that an env variable may show. */
const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

/** Fields of a pod that a file of a downward API volume may show. */
export const FILE_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

const KNOWN_FIELDS = new Set([
  ...ENV_FIELDS,
  ...FILE_FIELDS,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);

export function checkFieldRef(ref: FieldRef, supported: string[], field: string, faults: Faults): void {
  if (!ref.fieldPath) {
    faults.required(`${field}.fieldPath`);
    return;
  }
  const unknown = fieldPathFault(ref.apiVersion ?? 'v1', ref.fieldPath);
  if (unknown) {
    faults.invalid(`${field}.fieldPath`, ref.fieldPath, `error converting fieldPath: ${unknown}`);
    return;
  }
  const { path, subscript } = splitPath(ref.fieldPath);
  if (subscript !== undefined) {
    const key = path === 'metadata.annotations' ? subscript.toLowerCase() : subscript;
    faults.invalidFor(field, key, qualifiedNameFaults(key));
  } else if (!supported.includes(path)) faults.notSupported(`${field}.fieldPath`, path, supported);
}

/** Why there is no such field of a pod. */
function fieldPathFault(version: string, fieldPath: string): string | undefined {
  if (version !== 'v1') return `unsupported pod version: ${version}`;
  const { path, subscript } = splitPath(fieldPath);
  if (subscript === undefined)
    return KNOWN_FIELDS.has(path) ? undefined : `field label not supported: ${fieldPath}`;
  if (path === 'metadata.annotations' || path === 'metadata.labels') return undefined;
  return `field label does not support subscript: ${fieldPath}`;
}

/** `metadata.labels['app']` as the field and the key in it. */
function splitPath(fieldPath: string): { path: string; subscript?: string } {
  const [, path, subscript] = /^(.+?)\['(.*)'\]$/s.exec(fieldPath) ?? [];
  return path === undefined || subscript === undefined ? { path: fieldPath } : { path, subscript };
}

/** Amounts of a container that an env variable or a file may show. */
const AMOUNTS = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];

const CPU_DIVISORS = ['1', '1m'];
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

export function checkResourceFieldRef(
  ref: ResourceFieldRef,
  field: string,
  faults: Faults,
  inFile = false,
): void {
  if (inFile && !ref.containerName) faults.required(`${field}.containerName`);
  else if (!ref.resource) faults.required(`${field}.resource`);
  else if (!AMOUNTS.includes(ref.resource) && !/^(requests|limits)\.hugepages-/.test(ref.resource)) {
    faults.notSupported(`${field}.resource`, ref.resource, AMOUNTS);
  }
  const { divisor = '0', resource = '' } = ref;
  const what = AMOUNT_NAMES.find(([ending]) => ending.test(resource))?.[1];
  if (divisor === '0' || what === undefined) return;
  const supported = what === 'cpu' ? CPU_DIVISORS : BYTE_DIVISORS;
  if (supported.includes(divisor)) return;
  const which =
    what === 'cpu'
      ? '1m and 1 are supported with the cpu'
      : `${BYTE_DIVISORS.join(', ')} are supported with the ${what}`;
  faults.invalid(`${field}.divisor`, resource, `only divisor's values ${which} resource`);
}

const AMOUNT_NAMES = [
  [/^(limits|requests)\.cpu$/, 'cpu'],
  [/^(limits|requests)\.memory$/, 'memory'],
  [/^(limits|requests)\.ephemeral-storage$/, 'local ephemeral storage'],
  [/^(limits|requests)\.hugepages-/, 'hugepages'],
] as const;
