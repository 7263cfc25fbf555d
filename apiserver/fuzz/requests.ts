/** What stands around a body: query parameters, headers and paths, some of them wrong. */
import type { Dice } from './dice.ts';
import { TEXTS } from './hostile.ts';

/** Values of which some are right and some are not, for parameters of the API. */
const PARAMETERS: Record<string, readonly string[]> = {
  limit: ['1', '0', '-1', '1e3', '0x10', '9223372036854775808', '500'],
  continue: [
    'x',
    'e30',
    Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"a"}').toString('base64url'),
    Buffer.from('{"v":"meta.k8s.io/v1","rv":-1,"start":"\\u0000"}').toString('base64url'),
    Buffer.from('{"v":"meta.k8s.io/v1","rv":1e300,"start":""}').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    Buffer.from('[').toString('base64url'),
  ],
  resourceVersion: ['0', '1', '-1', '1.5', '99999999999999', '007', '1e3'],
  resourceVersionMatch: ['Exact', 'NotOlderThan', 'exact'],
  fieldValidation: ['Strict', 'Warn', 'Ignore', 'strict'],
  dryRun: ['All', 'None', 'true'],
  propagationPolicy: ['Foreground', 'Background', 'Orphan', 'orphan'],
  gracePeriodSeconds: ['0', '1', '-1', '1.5', '9223372036854775808'],
  orphanDependents: ['true', 'false', '2'],
  labelSelector: [
    'app=web',
    'a in (b,c)',
    '!a',
    'a>1',
    'a notin (',
    'constructor',
    'toString=x',
    '__proto__',
    ',,,',
    `${'a in (b),'.repeat(2000)}a`,
  ],
  fieldSelector: [
    'metadata.name=base',
    'metadata.namespace!=x',
    'spec.nodeName=',
    'constructor=x',
    '__proto__=x',
    'toString=x',
    'a\\',
    '=',
    'metadata.name==\\,',
  ],
  timeoutSeconds: ['1', '0', '-1', 'x', '1e300', '99999999999'],
  watch: ['false', '0', 'x'],
  pretty: ['true', '1', 'x'],
  fieldManager: ['fuzz', 'x'.repeat(200), '\u0007', 'a/b'],
  force: ['true', 'false', '1'],
  allowWatchBookmarks: ['true', 'x'],
  sendInitialEvents: ['true', 'x'],
  includeObject: ['None', 'Object', 'All'],
  at: ['2026-01-01T00:00:00Z', '9999-99-99T00:00:00Z', 'now'],
};

/** `?a=b&...` from the parameters of an operation and some that it does not have; '' when there are none. */
export function queryText(own: readonly string[], dice: Dice): string {
  const names = [...own.filter((name) => name !== 'watch'), ...Object.keys(PARAMETERS)];
  const parts = Array.from({ length: dice.pick([0, 0, 0, 0, 1, 2, 4]) }, () => {
    const name = dice.pick(names);
    const known = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name]! : [];
    const value = dice.chance(0.2) || known.length === 0 ? wellFormed(dice.pick(TEXTS)) : dice.pick(known);
    return `${name}=${encodeURIComponent(value.slice(0, 20_000))}`;
  });
  if (dice.chance(0.03)) parts.push(dice.pick(['%', '%zz=%ff', '&&==', 'a[b]=c', `${'x=1&'.repeat(3000)}`]));
  return parts.length ? `?${parts.join('&')}` : '';
}

/** encodeURIComponent refuses halves of surrogate pairs. */
function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udfff]/g, '');
}

const ACCEPTS = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
  'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  'application/yaml;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  'application/json;as=constructor;v=v1;g=meta.k8s.io',
  'constructor',
  '__proto__',
  'toString;q=1',
  '*/*;q=x',
  'text/html',
  ';;;,,,',
  `${'application/json;q=0,'.repeat(500)}*/*`,
];

/** Headers beside the type of the body. */
export function headersOf(dice: Dice): Record<string, string> {
  const headers: Record<string, string> = {};
  if (dice.chance(0.3)) headers['accept'] = dice.pick(ACCEPTS);
  if (dice.chance(0.02)) headers['accept-encoding'] = dice.pick(['gzip', 'br', 'gzip;q=0', 'x'.repeat(500)]);
  if (dice.chance(0.02)) headers['content-encoding'] = dice.pick(['gzip', 'identity', 'x']);
  if (dice.chance(0.03)) headers['impersonate-user'] = dice.pick(['jane', '', 'system:serviceaccount:a:b']);
  if (dice.chance(0.02)) headers['impersonate-group'] = dice.pick(['a,b', ',,,', '']);
  if (dice.chance(0.02))
    headers[`impersonate-extra-${dice.pick(['a', '%', '%ff', '__proto__', ''])}`] = dice.pick(['x', '']);
  if (dice.chance(0.02)) headers['gantry-cause'] = dice.pick(['x'.repeat(5000), '\u00ff', '{']);
  return headers;
}

const WRONG_CONTENT_TYPES = [
  'text/plain',
  'application/json; charset=latin1',
  'application/xml',
  'constructor',
  '__proto__',
  ';',
  'application/json;;;="',
  'application/json-patch+json',
  'application/apply-patch+yaml',
  'multipart/form-data',
];

/** The given type, or now and then one that is wrong. */
export function contentTypeOf(type: string, dice: Dice): string {
  return dice.chance(0.04) ? dice.pick(WRONG_CONTENT_TYPES) : type;
}

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];

/** What a path becomes: most stay as they are. */
export function pathText(path: string, dice: Dice): string {
  if (!dice.chance(0.04)) return path;
  const parts = path.split('/');
  const at = 1 + dice.below(parts.length - 1);
  const wrong = dice.pick([
    '',
    '.',
    '..',
    '%2f',
    '%00',
    '%2e%2e',
    '%',
    '%zz',
    '%ff',
    '__proto__',
    'constructor',
    'a%2fb',
    '*',
    '%0a',
    'x'.repeat(10_000),
    '%F0%9F%98%80',
  ]);
  if (dice.chance(0.5)) parts[at] = wrong;
  else parts.splice(at, 0, wrong);
  return `${parts.join('/')}${dice.chance(0.1) ? '/' : ''}`;
}
