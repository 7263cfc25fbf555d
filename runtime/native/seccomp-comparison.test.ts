import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type {
  SeccompArchitecture,
  SeccompArgument,
  SeccompProfile,
  SeccompRule,
} from '../seccomp-profile.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { buildCalls } from './seccomp/calls.ts';
import { compileSeccomp } from './seccomp/compile.ts';
import { defaultProfile } from './seccomp/index.ts';
import { SYSCALLS, X32_BIT } from './seccomp/syscalls.ts';
import { ENOSYS, EPERM, I386, run, X86_64 } from './seccomp/test-filter.ts';
import { containerPidOf, nodeOfSuite, type TestNode, whyNoOci } from './test-root.ts';

/**
 * The filter that a process of runc's really has, read back from the kernel, must say of every call what ours says: with the same
 * profile, of each ABI, whatever the arguments.
 */

const reason = whyNoOci();

/** Calls that runc's library may not know yet: to it they are refused, or not implemented. */
const LATE = new Set(
  `uretprobe cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr
  lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat`.split(/\s+/),
);

const REFUSED = new Set([EPERM, ENOSYS, 0x80000000]);

const ABIS = {
  SCMP_ARCH_X86_64: { arch: X86_64, first: 0 },
  SCMP_ARCH_X86: { arch: I386, first: 0 },
  SCMP_ARCH_X32: { arch: X86_64, first: X32_BIT },
};
/** Past the last call of each ABI. */
const NUMBERS = 600;
const VALUES = [
  ...[
    0n,
    1n,
    2n,
    3n,
    8n,
    11n,
    12n,
    38n,
    40n,
    45n,
    0x20000n,
    0x10000000n,
    0x7fffffffn,
    0xfffffff0n,
    0xffffffffn,
  ],
  ...[0x100000000n, 0x100000001n, 0x100000008n, 0x100000028n, 0xffffffff00000000n, 0xffffffffffffffffn],
];

const when = (name: string, ...args: SeccompArgument[]): SeccompRule => ({
  ...{ names: [name], action: 'SCMP_ACT_ERRNO', errnoRet: 77, args },
});
const argument = (op: SeccompArgument['op'], value: number | bigint, index = 0): SeccompArgument => ({
  ...{ index, value, op },
});
const wide = 0x100000008n;
const CONDITIONS: SeccompRule[] = [
  when('keyctl', argument('SCMP_CMP_EQ', wide)),
  when('add_key', argument('SCMP_CMP_NE', wide)),
  when('swapon', argument('SCMP_CMP_GT', wide)),
  when('swapoff', argument('SCMP_CMP_GE', wide)),
  when('reboot', argument('SCMP_CMP_LT', wide)),
  when('acct', argument('SCMP_CMP_LE', wide)),
  when('sysfs', argument('SCMP_CMP_EQ', 0xffffffffffffffffn)),
  when('ustat', { ...argument('SCMP_CMP_MASKED_EQ', 0x100000003n), valueTwo: 0x100000001n }),
  when('mbind', argument('SCMP_CMP_EQ', 8), argument('SCMP_CMP_LT', 12, 1)),
  when('listen', argument('SCMP_CMP_EQ', 8), argument('SCMP_CMP_GT', 12, 1)),
  when('chroot', argument('SCMP_CMP_EQ', 1), argument('SCMP_CMP_EQ', 3)),
  when('quotactl', argument('SCMP_CMP_EQ', 8), argument('SCMP_CMP_LT', 12, 1), argument('SCMP_CMP_GT', 40)),
  { names: ['shmget', 'bind', 'stime'], action: 'SCMP_ACT_ERRNO', errnoRet: 78 },
  { names: ['semget'], action: 'SCMP_ACT_TRAP' },
  { names: ['vhangup'], action: 'SCMP_ACT_TRACE' },
  { names: ['syslog'], action: 'SCMP_ACT_TRACE', errnoRet: 9 },
  { names: ['setdomainname'], action: 'SCMP_ACT_KILL' },
  { names: ['sethostname'], action: 'SCMP_ACT_KILL_PROCESS' },
  { names: ['setns'], action: 'SCMP_ACT_LOG' },
];

const ALLOWED = new Set(defaultProfile(DEFAULT_CAPABILITIES).syscalls.flatMap(({ names }) => names));

const PROFILES: Record<string, SeccompProfile> = {
  'the default one': defaultProfile(DEFAULT_CAPABILITIES),
  'the default one with all capabilities': defaultProfile(CAPABILITIES),
  'x86_64 alone': { defaultAction: 'SCMP_ACT_ALLOW', syscalls: CONDITIONS },
  'all that is not forbidden': {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: CONDITIONS,
  },
  'nothing that is not allowed, without x32': {
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
    syscalls: [
      ...defaultProfile(DEFAULT_CAPABILITIES)
        .syscalls.map((rule) => ({
          ...rule,
          names: rule.names.filter((name) => !/^(socketcall|ipc)$/.test(name)),
        }))
        .filter(({ names }) => names.length > 0),
      ...CONDITIONS.filter(({ names }) => !names.some((name) => ALLOWED.has(name))),
    ],
  },
};

describe.skipIf(reason !== undefined)(`runc’s filter is as ours (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let pods = 0;

  nodeOfSuite(
    (made, opened) => {
      [node, runtime] = [made, opened];
      buildCalls(node.base);
    },
    { handlers: true },
  );

  async function installed(seccompProfile: SeccompProfile, handler?: string): Promise<Uint8Array> {
    const pod = await node.sandbox(runtime, `pod-${pods++}`, { ...(handler && { handler }) });
    const seccomp = compileSeccomp(seccompProfile);
    await runtime.startContainer(
      pod,
      await node.spec('main.0', 'exec sleep 600', { seccomp, seccompProfile }),
    );
    const pid = await containerPidOf(runtime, pod);
    const filter = execFileSync(join(node.base, 'calls64'), ['filter', String(pid)]);
    await runtime.removeSandbox(pod);
    return filter;
  }

  test.each(Object.entries(PROFILES))('%s', async (_, profile) => {
    const ours = await installed(profile);
    expect(Buffer.from(compileSeccomp(profile)).equals(ours)).toBe(true);
    expect(differences(ours, await installed(profile, 'runc'))).toEqual([]);
  });
});

/** `ABI name or number (arguments): ours, theirs`, in hexadecimal. */
function differences(ours: Uint8Array, theirs: Uint8Array): string[] {
  const found: string[] = [];
  for (const [abi, { arch, first }] of Object.entries(ABIS)) {
    const names = new Map([...SYSCALLS[abi as SeccompArchitecture]].map(([name, number]) => [number, name]));
    for (const number of [...Array.from({ length: NUMBERS }, (_, index) => first + index), -1]) {
      const name = names.get(number) ?? String(number);
      for (const args of [...VALUES.map((value) => [value]), [8n, 11n], [8n, 12n], [8n, 13n]]) {
        const [mine, other] = [ours, theirs].map((filter) => run(filter, number, args, arch).value);
        if (mine === other || (LATE.has(name) && REFUSED.has(other!))) continue;
        found.push(
          `${abi} ${name} (${args.map((one) => one.toString(16))}): ${mine!.toString(16)}, ${other!.toString(16)}`,
        );
      }
    }
  }
  return found;
}
