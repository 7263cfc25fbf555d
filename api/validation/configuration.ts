/** ConfigMaps and Secrets. Source: Kubernetes API reference, ConfigMap and Secret. */
import type { ConfigMap, Secret } from '../objects.ts';
import type { Faults } from './faults.ts';
import { configKeyFaults } from './names.ts';

/** All values of one object together. */
const MAX_BYTES = 1024 * 1024;

const FROZEN = 'field is immutable when `immutable` is set';

export function checkConfigMap(map: ConfigMap, faults: Faults): void {
  let bytes = 0;
  for (const key in map.data) {
    faults.invalidFor(`data[${key}]`, key, configKeyFaults(key));
    if (map.binaryData && key in map.binaryData) {
      faults.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData');
    }
    bytes += Buffer.byteLength(map.data[key]!);
  }
  for (const key in map.binaryData) {
    faults.invalidFor(`binaryData[${key}]`, key, configKeyFaults(key));
    bytes += decodedLength(map.binaryData[key]!);
  }
  // Kubernetes writes the path of the whole object as [].
  if (bytes > MAX_BYTES) faults.tooLong('[]', MAX_BYTES);
}

export function checkConfigMapUpdate(map: ConfigMap, old: ConfigMap, faults: Faults): void {
  if (!old.immutable) return;
  if (!map.immutable) faults.forbidden('immutable', FROZEN);
  if (!sameEntries(map.data, old.data)) faults.forbidden('data', FROZEN);
  if (!sameEntries(map.binaryData, old.binaryData)) faults.forbidden('binaryData', FROZEN);
}

export function checkSecret(secret: Secret, faults: Faults): void {
  const data = secret.data ?? {};
  let bytes = 0;
  for (const key in data) {
    faults.invalidFor(`data[${key}]`, key, configKeyFaults(key));
    bytes += decodedLength(data[key]!);
  }
  if (bytes > MAX_BYTES) faults.tooLong('data', MAX_BYTES);
  CHECKS[secret.type ?? '']?.(secret, data, faults);
}

/** Without these a secret of the type is of no use. */
const CHECKS: Record<string, (secret: Secret, data: Record<string, string>, faults: Faults) => void> = {
  'kubernetes.io/service-account-token'({ metadata }, _data, faults) {
    const annotation = 'kubernetes.io/service-account.name';
    if (!metadata.annotations?.[annotation]) faults.required(`metadata.annotations[${annotation}]`);
  },
  'kubernetes.io/dockercfg': (_secret, data, faults) => checkRegistries('.dockercfg', data, faults),
  'kubernetes.io/dockerconfigjson': (_secret, data, faults) =>
    checkRegistries('.dockerconfigjson', data, faults),
  'kubernetes.io/basic-auth'(_secret, data, faults) {
    if ('username' in data || 'password' in data) return;
    faults.required('data[username]');
    faults.required('data[password]');
  },
  'kubernetes.io/ssh-auth'(_secret, data, faults) {
    if (!data['ssh-privatekey']) faults.required('data[ssh-privatekey]');
  },
  'kubernetes.io/tls'(_secret, data, faults) {
    for (const key of ['tls.crt', 'tls.key']) if (!(key in data)) faults.required(`data[${key}]`);
  },
};

function checkRegistries(key: string, data: Record<string, string>, faults: Faults): void {
  if (!(key in data)) faults.required(`data[${key}]`);
  else if (!isJsonObject(data[key]!))
    faults.invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid JSON');
}

export function checkSecretUpdate(secret: Secret, old: Secret, faults: Faults): void {
  faults.immutable('type', secret.type, old.type);
  if (!old.immutable) return;
  if (!secret.immutable) faults.forbidden('immutable', FROZEN);
  if (!sameEntries(secret.data, old.data)) faults.forbidden('data', FROZEN);
}

/** Whether two maps have the same keys with the same values; an empty value is one. */
function sameEntries(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function decodedLength(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}

function isJsonObject(base64: string): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, 'base64').toString());
    return typeof value === 'object' && !Array.isArray(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
