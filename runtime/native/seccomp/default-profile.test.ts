import { describe, expect, test } from 'vitest';
import type { SeccompArchitecture } from '../../seccomp-profile.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { compileSeccomp, defaultProfile, defaultSeccomp } from './index.ts';
import { SYSCALLS } from './syscalls.ts';
import { ALLOW, ENOSYS, EPERM, verdictOf } from './test-filter.ts';

/**
 * The default profile, call by call, as Docker publishes it: what is refused stands here, everything else in the tables of
 * numbers must be allowed. Source: moby/profiles, seccomp/default.json.
 */

/** Refused to everybody. */
const NEVER = `
  _sysctl add_key afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle io_uring_enter
  io_uring_register io_uring_setup kexec_file_load kexec_load keyctl lock migrate_pages move_pages mpx nfsservctl nice
  oldfstat oldlstat oldolduname oldstat olduname pivot_root prof profil putpmsg query_module readdir request_key
  security sgetmask sigaction signal sigpending sigsuspend ssetmask stty swapoff swapon sysfs tuxcall ulimit uprobe
  uselib userfaultfd ustat vm86 vm86old vserver`;

/** Newer than the profile: not implemented, but for x32, whose own numbers come after them. */
const NEWER = 'open_tree_attr file_getattr file_setattr';

/** Refused but to those who hold one of the capabilities. */
const GATED: Record<string, string> = {
  acct: 'SYS_PACCT',
  bpf: 'SYS_ADMIN BPF',
  chroot: 'SYS_CHROOT',
  clock_settime: 'SYS_TIME',
  clock_settime64: 'SYS_TIME',
  delete_module: 'SYS_MODULE',
  fanotify_init: 'SYS_ADMIN',
  finit_module: 'SYS_MODULE',
  fsconfig: 'SYS_ADMIN',
  fsmount: 'SYS_ADMIN',
  fsopen: 'SYS_ADMIN',
  fspick: 'SYS_ADMIN',
  get_mempolicy: 'SYS_NICE',
  init_module: 'SYS_MODULE',
  ioperm: 'SYS_RAWIO',
  iopl: 'SYS_RAWIO',
  kcmp: 'SYS_PTRACE',
  lookup_dcookie: 'SYS_ADMIN',
  lsm_get_self_attr: 'SYS_ADMIN',
  lsm_list_modules: 'SYS_ADMIN',
  lsm_set_self_attr: 'SYS_ADMIN',
  mbind: 'SYS_NICE',
  mount: 'SYS_ADMIN',
  mount_setattr: 'SYS_ADMIN',
  move_mount: 'SYS_ADMIN',
  open_by_handle_at: 'DAC_READ_SEARCH',
  open_tree: 'SYS_ADMIN',
  perf_event_open: 'SYS_ADMIN PERFMON',
  pidfd_getfd: 'SYS_PTRACE',
  process_madvise: 'SYS_PTRACE',
  quotactl: 'SYS_ADMIN',
  quotactl_fd: 'SYS_ADMIN',
  reboot: 'SYS_BOOT',
  set_mempolicy: 'SYS_NICE',
  set_mempolicy_home_node: 'SYS_NICE',
  setdomainname: 'SYS_ADMIN',
  sethostname: 'SYS_ADMIN',
  setns: 'SYS_ADMIN',
  settimeofday: 'SYS_TIME',
  stime: 'SYS_TIME',
  syslog: 'SYS_ADMIN SYSLOG',
  umount: 'SYS_ADMIN',
  umount2: 'SYS_ADMIN',
  unshare: 'SYS_ADMIN',
  vhangup: 'SYS_TTY_CONFIG',
};

/** Where the arguments decide, to those who do not hold CAP_SYS_ADMIN: the first argument, and what is said of it. */
const CONDITIONS: Record<string, [argument: number, verdict: number][]> = {
  clone: [
    // SIGCHLD, and what pthread_create and posix_spawn ask for.
    ...([0x11, 0x3d0f00, 0x4111, 0x80000000, 0x1000000] as const).map(
      (flags) => [flags, ALLOW] as [number, number],
    ),
    // NEWTIME is an exit signal here.
    [0x80, ALLOW],
    // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    ...([0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000] as const).flatMap(
      (flag): [number, number][] => [
        [flag, EPERM],
        [flag + 0x11, EPERM],
      ],
    ),
  ],
  personality: [
    ...[0, 8, 0x20000, 0x20008, 0xffffffff].map((value): [number, number] => [value, ALLOW]),
    ...[1, 0x40000, 0x40008, 0x400000, 0x7fffffff, 0xfffffffe].map((value): [number, number] => [
      value,
      EPERM,
    ]),
  ],
  socket: families(),
};

function families(): [number, number][] {
  // DECNET, ECONET, ATMSVC, IRDA, WANPIPE, ISDN, CAIF, ALG, VSOCK, and what there is not.
  const refused = [12, 19, 20, 23, 25, 34, 37, 38, 40, 46, 47, 255, 0xffffffff];
  const allowed = Array.from({ length: 46 }, (_, family) => family).filter(
    (family) => !refused.includes(family),
  );
  return [
    ...allowed.map((family): [number, number] => [family, ALLOW]),
    ...refused.map((family): [number, number] => [family, EPERM]),
  ];
}

const words = (text: string) => text.trim().split(/\s+/);
const [never, newer] = [new Set(words(NEVER)), new Set(words(NEWER))];

function expected(architecture: SeccompArchitecture, name: string, held: readonly string[]): number {
  const has = (capabilities: string) => words(capabilities).some((one) => held.includes(`CAP_${one}`));
  if (newer.has(name)) return architecture === 'SCMP_ARCH_X32' ? EPERM : ENOSYS;
  if (name === 'clone3') return has('SYS_ADMIN') ? ALLOW : ENOSYS;
  if (never.has(name)) return EPERM;
  return GATED[name] === undefined || has(GATED[name]) ? ALLOW : EPERM;
}

const SETS: [string, readonly string[]][] = [
  ['no capabilities', []],
  ['the default ones', DEFAULT_CAPABILITIES],
  ['all', CAPABILITIES],
  ...CAPABILITIES.map((name): [string, string[]] => [name, [name]]),
  ...CAPABILITIES.map((name): [string, string[]] => [
    `all but ${name}`,
    CAPABILITIES.filter((one) => one !== name),
  ]),
];

/** As it is on a machine that has the ABI. */
function filterOf(architecture: SeccompArchitecture, held: readonly string[]): Uint8Array {
  const machine = architecture === 'SCMP_ARCH_AARCH64' ? architecture : 'SCMP_ARCH_X86_64';
  return compileSeccomp(defaultProfile(held, machine), machine);
}

describe.each(Object.keys(SYSCALLS) as SeccompArchitecture[])('%s', (architecture) => {
  const named = [...SYSCALLS[architecture].keys()];

  test.each(SETS)('the verdict on each call with %s', (_, held) => {
    const filter = filterOf(architecture, held);
    const wanted = Object.fromEntries(
      named.filter((name) => !(name in CONDITIONS)).map((name) => [name, expected(architecture, name, held)]),
    );
    const found = Object.keys(wanted).map((name) => [name, verdictOf(filter, architecture, name)]);
    expect(Object.fromEntries(found)).toEqual(wanted);
  });

  test.each(Object.entries(CONDITIONS))('the verdict on %s by its first argument', (name, cases) => {
    const admin = CAPABILITIES;
    const others = CAPABILITIES.filter((one) => one !== 'CAP_SYS_ADMIN');
    for (const [argument, verdict] of cases) {
      const ask = (held: readonly string[]) =>
        verdictOf(filterOf(architecture, held), architecture, name, [BigInt(argument), 0xffffffffffffffffn]);
      expect(ask(others), `${name}(${argument})`).toBe(verdict);
      expect(ask(admin), `${name}(${argument})`).toBe(name === 'clone' ? ALLOW : verdict);
    }
  });
});

test('the data names calls that there are', () => {
  const known = new Set(Object.values(SYSCALLS).flatMap((table) => [...table.keys()]));
  for (const name of [...never, ...newer, ...Object.keys(GATED), ...Object.keys(CONDITIONS)])
    expect(known, name).toContain(name);
});

test('the upper half of a 64-bit argument counts', () => {
  const filter = defaultSeccomp([]);
  const ask = (name: string, argument: bigint) => verdictOf(filter, 'SCMP_ARCH_X86_64', name, [argument]);
  // The kernel takes the lower half for the family, so the upper one must not make another of it.
  for (const family of [1n, 38n, 40n]) expect(ask('socket', (1n << 32n) + family)).toBe(EPERM);
  expect(ask('personality', (1n << 32n) + 8n)).toBe(EPERM);
});
