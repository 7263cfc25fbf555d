import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { SeccompArchitecture, SeccompArgument, SeccompProfile } from '../../seccomp-profile.ts';
import { compileSeccomp } from './compile.ts';
import { MULTIPLEXED_CALLS, SYSCALLS, X32_BIT } from './syscalls.ts';
import {
  AARCH64,
  ALLOW,
  ENOSYS,
  EPERM,
  ERRNO,
  HOLDS,
  I386,
  KILL_THREAD,
  run,
  verdictOf,
  X86_64,
} from './test-filter.ts';

const ALL: SeccompArchitecture[] = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'];

/** Of linux-libc-dev, which knows the calls of its own time. */
const HEADERS = '/usr/include/x86_64-linux-gnu/asm';
const headerOf = {
  SCMP_ARCH_X86_64: 'unistd_64.h',
  SCMP_ARCH_X86: 'unistd_32.h',
  SCMP_ARCH_X32: 'unistd_x32.h',
} as Record<SeccompArchitecture, string>;
/** What arm64 has of it. */
const GENERIC = '/usr/include/asm-generic/unistd.h';

/** The numbers that only x32 has begin here. */
const FIRST_X32 = 512;
/** Got numbers long after their neighbours. */
const LATE = ['uretprobe', 'uprobe'];

const numbers = (header: string): Map<string, number> =>
  new Map(
    [...header.matchAll(/^#define __NR_(\w+)\s+(?:\((__X32_SYSCALL_BIT) \+ )?(\d+)\)?$/gm)].map(
      ([, name, x32, number]): [string, number] => [name!, Number(number) + (x32 ? X32_BIT : 0)],
    ),
  );
const lastOf = (table: ReadonlyMap<string, number>) =>
  Math.max(...[...table.values()].map((one) => one % X32_BIT).filter((one) => one < FIRST_X32));

test.skipIf(!existsSync(`${HEADERS}/unistd_32.h`)).each(ALL)(
  'the numbers of %s are those of the kernel’s header',
  (architecture) => {
    const theirs = numbers(readFileSync(`${HEADERS}/${headerOf[architecture]}`, 'utf8'));
    const ours = SYSCALLS[architecture];
    // Either of the two may be the newer one.
    const last = Math.min(lastOf(ours), lastOf(theirs));
    expect(last).toBeGreaterThan(400);
    const late = LATE.filter((name) => !theirs.has(name));
    const old = (table: ReadonlyMap<string, number>) =>
      [...table].filter(
        ([name, one]) => !late.includes(name) && (one % X32_BIT <= last || one % X32_BIT >= FIRST_X32),
      );
    expect(new Map(old(ours))).toEqual(new Map(old(theirs)));
  },
);

/** Of arm64: its numbers for 32 bits are those without names of their own, and some are no calls. */
function genericNumbers(header: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, both, name, number] of header.matchAll(/^#define __NR(3264)?_(\w+)\s+(\d+)$/gm)) {
    const own = both && name === 'fstatat' ? 'newfstatat' : name!;
    const only32 = own.endsWith('64') && Number(number) > 400 && Number(number) < 424;
    if (!only32 && !['arch_specific_syscall', 'sync_file_range2', 'syscalls'].includes(own))
      found.set(own, Number(number));
  }
  return found;
}

test.skipIf(!existsSync(GENERIC))('the numbers of arm64 are those of the kernel’s header', () => {
  const theirs = genericNumbers(readFileSync(GENERIC, 'utf8'));
  const ours = SYSCALLS.SCMP_ARCH_AARCH64;
  const last = Math.min(lastOf(ours), lastOf(theirs));
  expect(last).toBeGreaterThan(400);
  const old = (table: ReadonlyMap<string, number>) => [...table].filter(([, one]) => one <= last).sort();
  expect(old(ours)).toEqual(old(theirs));
});

test('arm64 has one ABI: others end their caller, and what no call is gets the default', () => {
  const filter = compileSeccomp(
    profile({ architectures: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_X86'] }),
    'SCMP_ARCH_AARCH64',
  );
  expect(verdictOf(filter, 'SCMP_ARCH_AARCH64', 'read')).toBe(ALLOW);
  expect(verdictOf(filter, 'SCMP_ARCH_AARCH64', 'write')).toBe(EPERM);
  const at = (number: number, arch: number) => run(filter, number, [], arch).value;
  // chown32 is a call of i386; 0 is io_setup, and read on x86-64.
  expect(at(0, AARCH64)).toBe(EPERM);
  expect([at(0, X86_64), at(3, I386)]).toEqual([KILL_THREAD, KILL_THREAD]);
  expect(at(SYSCALLS.SCMP_ARCH_AARCH64.get('statx')! + 1, AARCH64)).toBe(ENOSYS);
  expect(at(-1, AARCH64)).toBe(EPERM);
});

test('numbers are unique', () => {
  for (const table of Object.values(SYSCALLS)) expect(new Set(table.values()).size).toBe(table.size);
});

const profile = (change: Partial<SeccompProfile> = {}): SeccompProfile => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  architectures: ALL,
  syscalls: [{ names: ['read', 'chown32', 'rt_sigaction', 'statx'], action: 'SCMP_ACT_ALLOW' }],
  ...change,
});

describe('each ABI has its own numbers', () => {
  const filter = compileSeccomp(profile());

  test('of the same rules', () => {
    for (const architecture of ALL) {
      expect(verdictOf(filter, architecture, 'read'), architecture).toBe(ALLOW);
      expect(verdictOf(filter, architecture, 'rt_sigaction'), architecture).toBe(ALLOW);
      expect(verdictOf(filter, architecture, 'write'), architecture).toBe(EPERM);
    }
    expect(verdictOf(filter, 'SCMP_ARCH_X86', 'chown32')).toBe(ALLOW);
    // read is 3 in one and 0 in the other, where 3 is close.
    expect([0, 3].map((number) => run(filter, number).value)).toEqual([ALLOW, EPERM]);
    expect([0, 3].map((number) => run(filter, number, [], I386).value)).toEqual([EPERM, ALLOW]);
    // x32 numbers rt_sigaction otherwise: the number of x86_64 is none of its own.
    expect([13, 512].map((number) => run(filter, X32_BIT + number).value)).toEqual([EPERM, ALLOW]);
    expect(run(filter, 512).value).toBe(ENOSYS);
  });

  test('and its own end, after which nothing is implemented', () => {
    const last = ALL.map((architecture) => SYSCALLS[architecture].get('statx')!);
    const atTheEnd = (number: number, arch: number) =>
      [number, number + 1].map((one) => run(filter, one, [], arch).value);
    expect(atTheEnd(last[0]!, X86_64)).toEqual([ALLOW, ENOSYS]);
    expect(atTheEnd(last[1]!, I386)).toEqual([ALLOW, ENOSYS]);
    expect(atTheEnd(X32_BIT + 512, X86_64)).toEqual([ALLOW, ENOSYS]);
  });

  test.each<[SeccompProfile['defaultAction'], number]>([
    ['SCMP_ACT_KILL_PROCESS', ENOSYS],
    ['SCMP_ACT_TRAP', ENOSYS],
    ['SCMP_ACT_LOG', 0x7ffc0000],
    ['SCMP_ACT_ALLOW', ALLOW],
  ])('with the default action %s', (defaultAction, expected) => {
    const other = compileSeccomp(profile({ defaultAction }));
    expect([X86_64, I386].map((arch) => run(other, 9999, [], arch).value)).toEqual([expected, expected]);
  });
});

test('an ABI that the profile does not name ends its caller', () => {
  for (const defaultAction of ['SCMP_ACT_ERRNO', 'SCMP_ACT_ALLOW'] as const) {
    for (const architectures of [undefined, [], ['SCMP_ARCH_X86_64' as const]]) {
      const filter = compileSeccomp(profile({ defaultAction, architectures }));
      expect(verdictOf(filter, 'SCMP_ARCH_X86_64', 'read')).toBe(ALLOW);
      expect(verdictOf(filter, 'SCMP_ARCH_X86', 'read')).toBe(KILL_THREAD);
      expect(verdictOf(filter, 'SCMP_ARCH_X32', 'read')).toBe(KILL_THREAD);
      // What a tracer puts for a call that it takes away.
      expect(run(filter, -1).value).toBe(defaultAction === 'SCMP_ACT_ALLOW' ? ALLOW : EPERM);
    }
    const only = compileSeccomp(profile({ defaultAction, architectures: ['SCMP_ARCH_X86'] }));
    expect(verdictOf(only, 'SCMP_ARCH_X86', 'read')).toBe(ALLOW);
    expect(verdictOf(only, 'SCMP_ARCH_X32', 'read')).toBe(KILL_THREAD);
  }
});

test('the common path is as short as without the other ABIs', () => {
  const alone = compileSeccomp(profile({ architectures: [] }));
  const all = compileSeccomp(profile());
  for (const [name, number] of SYSCALLS.SCMP_ARCH_X86_64)
    expect(run(all, number).steps, name).toBeLessThanOrEqual(run(alone, number).steps);
});

describe('arguments of 32-bit ABIs have 32 bits', () => {
  const values = [0n, 1n, 0x7fffffffn, 0xffffffffn];
  test.each(Object.keys(HOLDS) as SeccompArgument['op'][])('%s', (op) => {
    for (const value of values) {
      for (const valueTwo of op === 'SCMP_CMP_MASKED_EQ' ? values : [0n]) {
        const args = [{ index: 1, value, valueTwo, op }];
        const filter = compileSeccomp(
          profile({ syscalls: [{ names: ['personality'], action: 'SCMP_ACT_ALLOW', args }] }),
        );
        for (const actual of values) {
          const expected = HOLDS[op](actual, value, valueTwo) ? ALLOW : EPERM;
          // The upper half is what the caller left in the register.
          for (const upper of [0n, 1n << 32n, 0xffffffffn << 32n]) {
            for (const architecture of ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] as const) {
              const found = verdictOf(filter, architecture, 'personality', [7n, actual + upper]);
              expect(found, `${architecture} ${actual} ${value} ${valueTwo} ${upper}`).toBe(expected);
            }
          }
        }
      }
    }
  });

  test('a value of -1 in 64 bits is -1 in 32', () => {
    const args = [{ index: 0, value: 2n ** 64n - 1n, op: 'SCMP_CMP_EQ' as const }];
    const filter = compileSeccomp(
      profile({ syscalls: [{ names: ['close'], action: 'SCMP_ACT_ALLOW', args }] }),
    );
    expect(verdictOf(filter, 'SCMP_ARCH_X86', 'close', [0xffffffffn])).toBe(ALLOW);
    expect(verdictOf(filter, 'SCMP_ARCH_X86_64', 'close', [0xffffffffn])).toBe(EPERM);
  });
});

describe('what i386 reaches through socketcall and ipc', () => {
  const x86 = (change: SeccompProfile['syscalls']) => {
    const filter = compileSeccomp(profile({ syscalls: change }));
    return (name: string, ...args: bigint[]) => verdictOf(filter, 'SCMP_ARCH_X86', name, args);
  };
  const through = (name: string) => BigInt(MULTIPLEXED_CALLS.get(name)!.value);

  test('is under the rules of the call itself', () => {
    const verdict = x86([
      { names: ['connect', 'shmget', 'accept'], action: 'SCMP_ACT_ALLOW' },
      { names: ['listen'], action: 'SCMP_ACT_ERRNO', errnoRet: 7 },
    ]);
    for (const name of ['connect', 'shmget']) expect(verdict(name)).toBe(ALLOW);
    for (const name of ['connect', 'accept']) expect(verdict('socketcall', through(name)), name).toBe(ALLOW);
    expect(verdict('socketcall', through('listen'))).toBe(ERRNO + 7);
    expect(verdict('socketcall', through('bind'))).toBe(EPERM);
    expect(verdict('ipc', through('shmget'))).toBe(ALLOW);
    expect(verdict('ipc', through('msgget'))).toBe(EPERM);
    expect([1n, 5n, 13n, 18n, 20n].map((value) => verdict('socketcall', value))).toEqual([
      ...[EPERM, ALLOW, EPERM, EPERM, EPERM],
    ]);
  });

  test('whatever its arguments, which are out of sight', () => {
    const args: SeccompArgument[] = [{ index: 0, value: 40, op: 'SCMP_CMP_NE' }];
    const verdict = x86([{ names: ['socket'], action: 'SCMP_ACT_ALLOW', args }]);
    expect([2n, 40n].map((family) => verdict('socket', family))).toEqual([ALLOW, EPERM]);
    expect(verdict('socketcall', through('socket'))).toBe(ALLOW);
  });

  test('or of socketcall and ipc', () => {
    const verdict = x86([{ names: ['socketcall', 'ipc', 'statx', 'rseq'], action: 'SCMP_ACT_ALLOW' }]);
    expect(verdict('socketcall', through('bind'))).toBe(ALLOW);
    expect(verdict('ipc', 99n)).toBe(ALLOW);
    expect(verdict('bind')).toBe(EPERM);
  });
});
