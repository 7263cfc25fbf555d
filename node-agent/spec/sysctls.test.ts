import { expect, test } from 'vitest';
import type { PodSpec } from '#api/objects.ts';
import { forbiddenSysctl } from './sysctls.ts';

const spec = (name: string, more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [],
  securityContext: { sysctls: [{ name, value: '1' }] },
  ...more,
});

test.each([
  ['net.ipv4.tcp_syncookies', {}, []],
  ['net/ipv4/tcp_syncookies', {}, []],
  ['kernel.shm_rmid_forced', { hostNetwork: true }, []],
  ['kernel.msgmax', {}, ['kernel.msg*']],
  ['net.core.somaxconn', {}, ['net.core.somaxconn']],
])('%s with %j and %j allowed is taken', (name, more, allowed) => {
  expect(forbiddenSysctl(spec(name, more), allowed)).toBeUndefined();
});

test.each([
  ['kernel.msgmax', {}, [], 'not allowlisted'],
  ['kernel.core_pattern', {}, ['kernel.msg*'], 'not allowlisted'],
  ['net.core.somaxconn', {}, ['net.core.somaxcon'], 'not allowlisted'],
  ['net.ipv4.tcp_syncookies', { hostNetwork: true }, [], 'not allowed with host net enabled'],
  ['kernel.shm_rmid_forced', { hostIPC: true }, [], 'not allowed with host ipc enabled'],
])('%s with %j and %j allowed is %s', (name, more, allowed, why) => {
  expect(forbiddenSysctl(spec(name, more), allowed)).toEqual({
    reason: 'SysctlForbidden',
    message: `forbidden sysctl: ${JSON.stringify(name)} ${why}`,
  });
});

test('a name written with slashes is refused by its name with dots', () => {
  expect(forbiddenSysctl(spec('kernel/msgmax'), [])?.message).toBe(
    'forbidden sysctl: "kernel.msgmax" not allowlisted',
  );
});
