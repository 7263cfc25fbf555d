import type { PodTemplateSpec } from '../objects.ts';

/** Characters of generated names, indexed by a digit's character code, as Kubernetes encodes hashes. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * The value of the label `pod-template-hash`: equal for equal templates whatever the order of their keys.
 * `collisionCount` of the Deployment's status makes another hash when two templates met in one. The value is stored in
 * names and labels, so its computation must never change.
 */
export function podTemplateHash(template: PodTemplateSpec, collisionCount?: number): string {
  const salt = collisionCount === undefined ? '' : `#${collisionCount}`;
  const hash = fnv1a32(canonicalJson(template) + salt);
  return [...String(hash)].map((digit) => SAFE[digit.charCodeAt(0) % SAFE.length]).join('');
}

/** JSON with keys in order; what is undefined or null counts as missing. Equal data gives equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined && field !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

/** 32-bit FNV-1a over UTF-8. */
function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
