import { describe } from 'vitest';
import type { Kind } from '../kind.ts';
import { ConfigMapKind } from '../kinds/config-map.ts';
import { SecretKind } from '../kinds/secret.ts';
import { CONFIG_KEY } from '../testing/name-texts.ts';
import { type ChangeRefusal, type Refusal, refusesEach, refusesEachChange } from '../testing/refusals.ts';

const FROZEN = 'Forbidden: field is immutable when `immutable` is set';
const LONG = 'a'.repeat(254);
const megabyte = 'a'.repeat(1024 * 1024 + 1);
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** [kind, the wrong parts, the faults]. */
const WRONG: Refusal[] = [
  [
    ConfigMapKind as Kind,
    { data: { 'a/b': '', c: '' }, binaryData: { c: '' } },
    [
      "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      'data[c]: Invalid value: "c": duplicate of key present in binaryData',
    ],
  ],
  [ConfigMapKind as Kind, { data: { big: megabyte } }, ['[]: Too long: may not be more than 1048576 bytes']],
  [
    SecretKind as Kind,
    { stringData: { big: megabyte } },
    ['data: Too long: may not be more than 1048576 bytes'],
  ],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/tls' },
    ['data[tls.crt]: Required value', 'data[tls.key]: Required value'],
  ],
  [SecretKind as Kind, { type: 'kubernetes.io/ssh-auth' }, ['data[ssh-privatekey]: Required value']],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/basic-auth' },
    ['data[username]: Required value', 'data[password]: Required value'],
  ],
  [SecretKind as Kind, { type: 'kubernetes.io/dockercfg' }, ['data[.dockercfg]: Required value']],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64('{') } },
    ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be valid JSON'],
  ],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/service-account-token' },
    ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
  ],
  [
    ConfigMapKind as Kind,
    { binaryData: { 'a b': '', [LONG]: '' } },
    [
      `binaryData[a b]: Invalid value: "a b": ${CONFIG_KEY}`,
      `binaryData[${LONG}]: Invalid value: "${LONG}": must be no more than 253 characters`,
    ],
  ],
  [SecretKind as Kind, { data: { '..': '' } }, [`data[..]: Invalid value: "..": must not be '..'`]],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/ssh-auth', data: { 'ssh-privatekey': '' } },
    ['data[ssh-privatekey]: Required value'],
  ],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/dockercfg', data: { '.dockercfg': base64('[]') } },
    ['data[.dockercfg]: Invalid value: "<secret contents redacted>": must be valid JSON'],
  ],
  [
    SecretKind as Kind,
    { type: 'kubernetes.io/dockercfg', data: { '.dockercfg': '' } },
    ['data[.dockercfg]: Invalid value: "<secret contents redacted>": must be valid JSON'],
  ],
];

describe('what is wrong is refused', () => refusesEach(WRONG));

/** [kind, before, after, the faults]. */
const CHANGES: ChangeRefusal[] = [
  [
    ConfigMapKind as Kind,
    { immutable: true, data: { a: '1' } },
    { data: { a: '2' }, binaryData: { b: 'MTIz' } },
    [`immutable: ${FROZEN}`, `data: ${FROZEN}`, `binaryData: ${FROZEN}`],
  ],
  [ConfigMapKind as Kind, { data: { a: '1' } }, { data: { a: '2' } }, []],
  [SecretKind as Kind, { immutable: true }, { immutable: true, stringData: { a: '2' } }, [`data: ${FROZEN}`]],
  [SecretKind as Kind, {}, { type: 'other' }, ['type: Invalid value: "other": field is immutable']],
  [SecretKind as Kind, { immutable: true }, {}, [`immutable: ${FROZEN}`]],
  [
    ConfigMapKind as Kind,
    { immutable: true, data: { a: '' } },
    { immutable: true, data: {} },
    [`data: ${FROZEN}`],
  ],
  [
    ConfigMapKind as Kind,
    { immutable: true, binaryData: { a: '' } },
    { immutable: true, binaryData: { b: '' } },
    [`binaryData: ${FROZEN}`],
  ],
];

describe('what cannot change stays', () => refusesEachChange(CHANGES));
