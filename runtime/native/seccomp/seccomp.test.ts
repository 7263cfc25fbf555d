import { describe, expect, test } from 'vitest';
import type { SeccompArgument, SeccompProfile } from '../../seccomp-profile.ts';
import { compileSeccomp } from './compile.ts';
import { defaultSeccomp } from './index.ts';
import { SYSCALLS, X32_BIT } from './syscalls.ts';
import { ALLOW, ENOSYS, EPERM, HOLDS, I386, run } from './test-filter.ts';

const call = (name: string) => SYSCALLS.SCMP_ARCH_X86_64.get(name)!;

describe('the default profile', () => {
  const filter = defaultSeccomp(['CAP_CHOWN', 'CAP_SYS_CHROOT']);
  const verdict = (name: string, ...args: bigint[]) => run(filter, call(name), args).value;

  test('lets ordinary calls through and refuses dangerous ones', () => {
    for (const name of ['read', 'openat', 'execve', 'futex', 'statx', 'mknod', 'chroot']) {
      expect(verdict(name), name).toBe(ALLOW);
    }
    for (const name of [
      'mount',
      'bpf',
      'kexec_load',
      'keyctl',
      'init_module',
      'unshare',
      'setns',
      'io_uring_setup',
    ]) {
      expect(verdict(name), name).toBe(EPERM);
    }
  });

  test('looks at arguments', () => {
    expect(verdict('clone', 0x11n)).toBe(ALLOW);
    expect(verdict('clone', 0x10000000n)).toBe(EPERM);
    expect(verdict('clone3')).toBe(ENOSYS);
    expect(verdict('socket', 2n)).toBe(ALLOW);
    expect(verdict('socket', 40n)).toBe(EPERM);
    expect(verdict('personality', 8n)).toBe(ALLOW);
    expect(verdict('personality', 0x40000n)).toBe(EPERM);
  });

  test('opens up with capabilities', () => {
    const admin = defaultSeccomp(['CAP_SYS_ADMIN']);
    for (const name of ['mount', 'unshare', 'clone3', 'bpf'])
      expect(run(admin, call(name)).value, name).toBe(ALLOW);
    expect(run(admin, call('clone'), [0x10000000n]).value).toBe(ALLOW);
    expect(run(admin, call('chroot')).value).toBe(EPERM);
  });

  test('says "not implemented" for calls of the future, of all three ABIs', () => {
    expect(run(filter, 9999).value).toBe(ENOSYS);
    expect(run(filter, 9999, [], I386).value).toBe(ENOSYS);
    expect(run(filter, X32_BIT + 9999).value).toBe(ENOSYS);
  });

  test('costs few instructions per call and fits the kernel', () => {
    for (const [name, number] of SYSCALLS.SCMP_ARCH_X86_64)
      expect(run(filter, number).steps, name).toBeLessThanOrEqual(16);
    expect(filter.length / 8).toBeLessThan(4096);
  });
});

describe('comparisons of 64-bit arguments', () => {
  const values = [0n, 1n, 0xffffffffn, 0x100000000n, 0x100000001n, 0xffffffffffffffffn];
  for (const name of Object.keys(HOLDS) as SeccompArgument['op'][]) {
    test(name, () => {
      for (const value of values) {
        for (const valueTwo of name === 'SCMP_CMP_MASKED_EQ' ? values : [0n]) {
          const filter = compileSeccomp({
            defaultAction: 'SCMP_ACT_ERRNO',
            syscalls: [
              { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 2, value, valueTwo, op: name }] },
            ],
          });
          for (const actual of values) {
            const expected = HOLDS[name](actual, value, valueTwo) ? ALLOW : EPERM;
            expect(run(filter, call('read'), [7n, 7n, actual]).value, `${actual} ${value} ${valueTwo}`).toBe(
              expected,
            );
          }
        }
      }
    });
  }
});

test('the first matching rule of a call decides, and all arguments of a rule must hold', () => {
  const filter = compileSeccomp({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      {
        names: ['write'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: 5,
        args: [
          { index: 0, value: 1, op: 'SCMP_CMP_EQ' },
          { index: 2, value: 10, op: 'SCMP_CMP_GT' },
        ],
      },
      {
        names: ['write'],
        action: 'SCMP_ACT_KILL_PROCESS',
        args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }],
      },
    ],
  });
  expect(run(filter, call('write'), [1n, 0n, 11n]).value).toBe(0x00050005);
  expect(run(filter, call('write'), [1n, 0n, 10n]).value).toBe(0x80000000);
  expect(run(filter, call('write'), [2n, 0n, 11n]).value).toBe(ALLOW);
});

test('comparisons of one argument are rules of their own', () => {
  const args: SeccompArgument[] = [1, 3].map((value) => ({ index: 0, value, op: 'SCMP_CMP_EQ' }));
  const filter = compileSeccomp({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['close'], action: 'SCMP_ACT_ERRNO', args }],
  });
  const verdicts = [0n, 1n, 2n, 3n].map((value) => run(filter, call('close'), [value]).value);
  expect(verdicts).toEqual([ALLOW, EPERM, ALLOW, EPERM]);
});

test('what a tracer decides goes to it with the error number as a message', () => {
  const traced = (errnoRet?: number) => ({
    ...{ names: ['close'], action: 'SCMP_ACT_TRACE' as const },
    ...(errnoRet !== undefined && { errnoRet }),
  });
  const verdict = (profile: SeccompProfile, number: number) => run(compileSeccomp(profile), number).value;
  for (const [errnoRet, message] of [[undefined, 1] as const, [7, 7] as const]) {
    const profile: SeccompProfile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [traced(errnoRet)] };
    expect(verdict(profile, call('close'))).toBe(0x7ff00000 + message);
  }
  // It can know calls that the profile does not.
  const all: SeccompProfile = { defaultAction: 'SCMP_ACT_TRACE', syscalls: [traced()] };
  expect(verdict(all, 9999)).toBe(0x7ff00001);
});

test('a profile the kernel could not take is refused', () => {
  expect(() =>
    compileSeccomp({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_DANCE' as never }],
    }),
  ).toThrow('SCMP_ACT_DANCE');
});
