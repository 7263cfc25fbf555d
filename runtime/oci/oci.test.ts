import { describe, expect, test } from 'vitest';
import { containerSpec } from '../conformance.ts';
import type { ContainerSpec, Mount } from '../contract.ts';
import type { SeccompArchitecture } from '../seccomp-profile.ts';
import { type BundleInput, bundleOf, execProcess } from './bundle.ts';
import { createCommands, deleteCommand, execCommand, killCommand } from './commands.ts';
import { decodeConfig, encodeConfig, type OciConfig } from './config.ts';
import { cannotRun, lastError } from './errors.ts';
import { type Answers, handlersOf } from './handler.ts';

const ROOT: Mount = { type: 'overlay', source: 'overlay', target: '/', options: [] };
const PROFILE = { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, syscalls: [] } as const;

function input(change: Partial<ContainerSpec> = {}, more: Partial<BundleInput> = {}): BundleInput {
  return {
    sandbox: { namespaces: { network: 'pod', pid: 'pod', ipc: 'pod' }, sharedPid: false },
    spec: { ...containerSpec('main.0', ROOT, '/logs/main', ['sleep', '9']), ...change },
    directory: '/run/oci/pod/main.0',
    monitorPid: 11,
    initPid: 12,
    cgroupPath: '/root/pod/main.0',
    cgroupDirectories: [],
    sharedMemory: '/state/shm',
    leastOomScoreAdj: 0,
    heldCapabilities: ['CAP_CHOWN', 'CAP_KILL'],
    recursiveReadOnlyMounts: true,
    ...more,
  };
}
const config = (change: Partial<ContainerSpec> = {}, more: Partial<BundleInput> = {}): OciConfig =>
  bundleOf(input(change, more)).config;
const bind = (options: string[], target = '/data'): Mount => ({
  type: 'bind',
  source: '/v',
  target,
  options,
});

describe('a bundle', () => {
  const shared = { namespaces: { network: 'pod', pid: 'pod', ipc: 'pod' }, sharedPid: true } as const;
  const node = { namespaces: { network: 'node', pid: 'node', ipc: 'node' }, sharedPid: true } as const;

  test.each<[string, BundleInput['sandbox'], string[]]>([
    ['its own pids', input().sandbox, ['mount', 'cgroup', 'network 11', 'uts 11', 'ipc 11', 'pid']],
    ['shared pids', shared, ['mount', 'cgroup', 'network 11', 'uts 11', 'ipc 11', 'pid 12']],
    ['all of the node’s', node, ['mount', 'cgroup']],
  ])('joins the namespaces of its pod: %s', (_name, sandbox, expected) => {
    const { namespaces } = config({}, { sandbox }).linux;
    const found = namespaces.map(({ type, path }) =>
      [type, path && /\d+/.exec(path)![0]].filter(Boolean).join(' '),
    );
    expect(found).toEqual(expected);
  });

  test.each<[string, Partial<ContainerSpec>, Partial<OciConfig['process']>]>([
    [
      'user',
      { uid: 7, gid: 8, additionalGids: [9] },
      { user: { uid: 7, gid: 8, additionalGids: [9], umask: 18 } },
    ],
    ['the last of two variables', { env: ['A=1', 'B=', 'A=2'] }, { env: ['A=2', 'B='] }],
    ['no lower oom score than the node may set', { oomScoreAdj: -997 }, { oomScoreAdj: 0 }],
    [
      'unlimited',
      { rlimits: [{ type: 'RLIMIT_CORE', soft: 1, hard: -1 }] },
      { rlimits: [{ type: 'RLIMIT_CORE', soft: 1, hard: 2n ** 64n - 1n }] },
    ],
    ['terminal', { tty: true }, { terminal: true }],
    ['no_new_privs', { noNewPrivileges: true }, { noNewPrivileges: true }],
  ])('has the process as the spec has it: %s', (_name, change, expected) => {
    expect(config(change).process).toMatchObject(expected);
  });

  test('gives the capabilities that the node has, in no set that is inherited', () => {
    const held = ['CAP_CHOWN'];
    expect(config({ capabilities: ['CAP_CHOWN', 'CAP_SYS_RESOURCE'] }).process.capabilities).toEqual({
      ...{ bounding: held, effective: held, permitted: held, inheritable: [], ambient: [] },
    });
  });

  test.each<[string, Mount, Partial<OciConfig['mounts'][number]>]>([
    ['a volume', bind(['rbind', 'ro']), { source: '/v', options: ['rbind', 'ro', 'rprivate', 'nodev'] }],
    ['without an option', bind([]), { options: ['bind', 'rprivate', 'nodev'] }],
    ['propagation', bind(['rbind', 'rslave']), { options: ['rbind', 'rslave', 'nodev'] }],
    [
      'a tmpfs',
      { ...ROOT, type: 'tmpfs', target: '/data', options: ['size=1m'] },
      { type: 'tmpfs', options: ['size=1m', 'nodev'] },
    ],
    [
      'links in the source',
      bind(['nolinks', 'ro']),
      { source: '/run/oci/pod/main.0/volumes/0', options: ['bind', 'ro', 'rprivate', 'nodev'] },
    ],
  ])('mounts as the spec says: %s', (_name, mount, expected) => {
    const { mounts } = config({ mounts: [mount] });
    expect(mounts.at(-1)).toMatchObject({ destination: '/data', ...expected });
  });

  test('has sources in which a container may put links mounted by us', () => {
    const mounts = [bind(['ro']), bind(['nolinks'], '/a'), bind(['nolinks'], '/b')];
    expect(bundleOf(input({ mounts })).staged.map(({ source, target }) => [source, target])).toEqual([
      ['/v', '/run/oci/pod/main.0/volumes/0'],
      ['/v', '/run/oci/pod/main.0/volumes/1'],
    ]);
  });

  test('shows the groups with limits of v1, and all of v2', () => {
    const seen = (directories: [string, string][]) =>
      config({}, { cgroupDirectories: directories }).mounts.flatMap(({ destination, type, source }) =>
        destination.startsWith('/sys/fs/cgroup') ? [`${destination} ${type} ${source}`] : [],
      );
    expect(seen([['cpu', '/cg/cpu/x']])).toEqual([
      '/sys/fs/cgroup tmpfs tmpfs',
      '/sys/fs/cgroup/cpu bind /cg/cpu/x',
    ]);
    expect(seen([])).toEqual(['/sys/fs/cgroup cgroup cgroup']);
  });

  test.each<[string, Partial<ContainerSpec>, unknown[]]>([
    ['none', {}, [{ allow: false, access: 'rwm' }]],
    ['all', { devices: 'all' }, [{ allow: true, access: 'rwm' }]],
    [
      'one',
      { devices: [{ type: 'block', major: 8, access: 'rw' }] },
      [{ allow: true, type: 'b', major: 8, access: 'rw' }],
    ],
  ])('allows devices: %s', (_name, change, rules) => {
    expect(config(change).linux.resources.devices).toEqual(expect.arrayContaining(rules));
  });

  test('has a seccomp profile only with a filter', () => {
    const seccompProfile = { ...PROFILE, syscalls: [] };
    expect(config({ seccomp: new Uint8Array(8), seccompProfile }).linux.seccomp).toMatchObject(PROFILE);
    expect(config({ seccompProfile }).linux.seccomp).toBeUndefined();
  });

  test('keeps the flags of its seccomp profile', () => {
    const flags = ['SECCOMP_FILTER_FLAG_LOG' as const];
    const seccompProfile = { ...PROFILE, syscalls: [], flags };
    expect(config({ seccomp: new Uint8Array(8), seccompProfile }).linux.seccomp).toMatchObject({ flags });
  });

  test('names the architectures of its seccomp profile, x86_64 always', () => {
    const named = (architectures?: SeccompArchitecture[]) =>
      config({
        seccomp: new Uint8Array(8),
        seccompProfile: { ...PROFILE, syscalls: [], ...(architectures && { architectures }) },
      }).linux.seccomp!.architectures;
    expect(named()).toEqual(['SCMP_ARCH_X86_64']);
    expect(named(['SCMP_ARCH_X86', 'SCMP_ARCH_X86_64'])).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  });

  test.each<[string, Partial<ContainerSpec>, Partial<BundleInput>]>([
    ['a filter without its profile', { seccomp: new Uint8Array(8) }, {}],
    ['bidirectional mount propagation', { mounts: [bind(['rshared'])] }, {}],
    ['recursive read-only mounts', { mounts: [bind(['rro'])] }, { recursiveReadOnlyMounts: false }],
  ])('is refused with %s', (what, change, more) => {
    const refused = expect.objectContaining({
      code: 'Unsupported',
      message: `an OCI runtime is not asked for ${what}`,
    });
    expect(() => bundleOf(input(change, more))).toThrow(refused);
  });

  test('keeps whole numbers of 64 bits', () => {
    const made = config({ rlimits: [{ type: 'RLIMIT_CORE', soft: -1, hard: -1 }] });
    const text = encodeConfig(made);
    expect(text).toContain('"hard":18446744073709551615');
    expect(decodeConfig(text)).toEqual(made);
  });
});

test('an exec has what the container has, but for what it says itself', () => {
  const { process } = config({ cwd: '/work', env: ['A=1', 'B=2'] });
  const command = { args: ['id'], env: ['A=3'], tty: true, stdin: true, size: { columns: 80, rows: 24 } };
  expect(execProcess(process, command)).toMatchObject({
    ...{ args: ['id'], env: ['A=3', 'B=2'], cwd: '/work', terminal: true },
    ...{ consoleSize: { height: 24, width: 80 }, capabilities: process.capabilities },
  });
});

test('commands are those of runc', () => {
  const place = { program: '/bin/runc', stateDirectory: '/s', logFile: '/l' };
  const common = '/bin/runc --root /s --log /l --log-format json';
  const files = { pidFile: '/pid', consoleSocket: 'console' };
  const flags = '--pid-file /pid --console-socket console';
  expect(createCommands(place, 'a.0', '/b', files).map((command) => command.join(' '))).toEqual([
    `${common} create --bundle /b ${flags} a.0`,
    `${common} start a.0`,
  ]);
  expect(execCommand(place, 'a.0', '/p', { pidFile: '/pid' }).join(' ')).toBe(
    `${common} exec --detach --process /p --pid-file /pid a.0`,
  );
  expect(killCommand(place, 'a.0', 15).join(' ')).toBe(`${common} kill a.0 15`);
  expect(deleteCommand(place, 'a.0').join(' ')).toBe(`${common} delete --force a.0`);
});

describe('errors', () => {
  test.each<[string, string, number | undefined]>([
    ['unable to start container process: exec: "x": executable file not found in $PATH', 'x', 2],
    ['executable file `x` not found in $PATH: No such file or directory', 'x', 2],
    ['exec: "/x": stat /x: no such file or directory', '/x', 2],
    ['exec: "/x": permission denied', '/x', 13],
    ['open executable: Permission denied', '/x', 13],
    ['exec: "/x": is a directory', '/x', 21],
    ['exec /x: exec format error: "/x"', '/x', 8],
    ['mount `/y` to `/z`: No such file or directory', '/x', undefined],
    ['chdir to cwd ("/x") failed: permission denied', '/x', undefined],
  ])('%s', (message, program, errno) => expect(cannotRun(message, program)).toBe(errno));

  test('are the last in the log, whole or not', () => {
    const line = (level: string, msg: string) => JSON.stringify({ level, msg });
    expect(lastError(`${line('error', 'a')}\n${line('error', 'b')}\n${line('warning', 'c')}\n{"lev`)).toBe(
      'b',
    );
    for (const log of ['', 'no json', line('info', 'x'), 'null']) expect(lastError(log)).toBeUndefined();
  });
});

describe('handlers', () => {
  const told = (programs: Record<string, Partial<Answers>>) =>
    handlersOf(
      new Map(
        Object.entries(programs).map(([name, answers]) => [
          name,
          { program: `/bin/${name}`, version: undefined, features: undefined, ...answers },
        ]),
      ),
    ).map(({ name, program, features }) => [name, program, features.recursiveReadOnlyMounts]);

  test.each<[string, Parameters<typeof told>[0], unknown[]]>([
    ['nothing', {}, []],
    [
      'runc with rro',
      { runc: { version: 'runc version 1.1.5\nspec: 1', features: '{"mountOptions":["ro","rro"]}' } },
      [
        ['oci', '/bin/runc', true],
        ['runc', '/bin/runc', true],
      ],
    ],
    [
      'runc without features',
      { runc: { version: 'runc version 1.0.0' } },
      [
        ['oci', '/bin/runc', false],
        ['runc', '/bin/runc', false],
      ],
    ],
    [
      'crun before features',
      { crun: { version: 'crun version 1.8.1' } },
      [
        ['oci', '/bin/crun', true],
        ['crun', '/bin/crun', true],
      ],
    ],
    [
      'an old crun',
      { crun: { version: 'crun version 1.3' } },
      [
        ['oci', '/bin/crun', false],
        ['crun', '/bin/crun', false],
      ],
    ],
    [
      'a program that says nothing',
      { runc: {}, crun: { version: 'crun version 1.8.1', features: 'unknown' } },
      [
        ['oci', '/bin/crun', true],
        ['crun', '/bin/crun', true],
      ],
    ],
    [
      'gVisor, which is nobody’s default',
      { runsc: { version: 'runsc version release-20240212.0' } },
      [['runsc', '/bin/runsc', false]],
    ],
    [
      'kata of old',
      { 'kata-runtime': { version: 'kata-runtime  : 1.12.0' } },
      [['kata', '/bin/kata-runtime', false]],
    ],
    [
      'kata of today, which has no OCI commands',
      { 'kata-runtime': { version: 'kata-runtime  : 3.2.0' } },
      [],
    ],
  ])('%s', (_name, programs, expected) => expect(told(programs)).toEqual(expected));
});
