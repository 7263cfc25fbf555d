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
    if (!isBase64(data[key]!))
      faults.invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid base64');
    bytes += decodedLength(data[key]!);
  }
  if (bytes > MAX_BYTES) faults.tooLong('data', MAX_BYTES);
  for (const key of REQUIRED_KEYS[secret.type ?? ''] ?? [])
    if (!(key in data)) faults.required(`data[${key}]`);
  if (secret.type === 'kubernetes.io/service-account-token') {
    const annotation = 'kubernetes.io/service-account.name';
    if (!secret.metadata.annotations?.[annotation]) faults.required(`metadata.annotations[${annotation}]`);
  }
  if (secret.type === 'kubernetes.io/basic-auth' && !('username' in data) && !('password' in data)) {
    faults.required('data[username]');
    faults.required('data[password]');
  }
  for (const key of ['.dockercfg', '.dockerconfigjson']) {
    if (REQUIRED_KEYS[secret.type ?? '']?.includes(key) && data[key] && !isJson(data[key])) {
      faults.invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid JSON');
    }
  }
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

/** Keys without which a secret of a type is of no use. */
const REQUIRED_KEYS: Record<string, string[]> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function decodedLength(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}

function isJson(base64: string): boolean {
  try {
    JSON.parse(Buffer.from(base64, 'base64').toString());
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
