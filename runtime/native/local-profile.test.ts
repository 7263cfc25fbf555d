import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localSeccomp } from './seccomp/local-profile.ts';
import { TestNode, whyNoRoot } from './test-root.ts';

let base: string;
let directory: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'gantry-seccomp-'));
  directory = join(base, 'seccomp');
  await mkdir(join(directory, 'sub'), { recursive: true });
});
afterAll(() => rm(base, { recursive: true, force: true }));

const put = (name: string, profile: unknown) =>
  writeFile(join(directory, name), typeof profile === 'string' ? profile : JSON.stringify(profile));
const load = (name: string, capabilities: string[] = []) => localSeccomp(directory, name, capabilities);
const allow = { defaultAction: 'SCMP_ACT_ALLOW' };

test('rules hold by capability, architecture and kernel', async () => {
  const rule = (name: string, more: object) => ({ names: [name], action: 'SCMP_ACT_ERRNO', ...more });
  await put('sub/rules.json', {
    ...allow,
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    flags: ['SECCOMP_FILTER_FLAG_TSYNC'],
    syscalls: [
      rule('mkdir', { args: null, errnoRet: 30 }),
      rule('chroot', { includes: { caps: ['CAP_SYS_CHROOT'] } }),
      rule('mount', { excludes: { caps: ['CAP_SYS_ADMIN'] } }),
      rule('ptrace', { includes: { minKernel: '4.8' } }),
      rule('open', { includes: { minKernel: '99.0' } }),
      rule('read', { includes: { arches: ['s390x'] } }),
      rule('write', { excludes: { arches: ['amd64'] } }),
      { name: 'bpf', action: 'SCMP_ACT_ERRNO' },
    ],
  });
  const names = (capabilities: string[]) =>
    load('sub/rules.json', capabilities).seccompProfile.syscalls.flatMap((one) => one.names);
  expect(names([])).toEqual(['mkdir', 'mount', 'ptrace', 'bpf']);
  expect(names(['CAP_SYS_CHROOT', 'CAP_SYS_ADMIN'])).toEqual(['mkdir', 'chroot', 'ptrace', 'bpf']);
});

test('flags are those that change something', async () => {
  const named = async (flags: string[]) => {
    await put('flags.json', { ...allow, flags: flags.map((one) => `SECCOMP_FILTER_FLAG_${one}`) });
    return load('flags.json').seccompProfile.flags;
  };
  expect(await named([])).toBeUndefined();
  expect(await named(['TSYNC'])).toBeUndefined();
  const [log, specAllow] = ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'];
  expect(await named(['SPEC_ALLOW', 'TSYNC', 'LOG', 'LOG'])).toEqual([specAllow, log]);
});

test('architectures are those it names of this machine', async () => {
  const named = async (profile: object) => {
    await put('architectures.json', { ...allow, ...profile });
    return load('architectures.json').seccompProfile.architectures;
  };
  const [x86_64, x86, x32, arm] = ['X86_64', 'X86', 'X32', 'ARM'].map((one) => `SCMP_ARCH_${one}`);
  expect(await named({})).toEqual([x86_64]);
  expect(await named({ architectures: [arm, x32, x86_64, x86] })).toEqual([x86_64, x86, x32]);
  expect(await named({ architectures: [x86_64, arm] })).toEqual([x86_64]);
  const arms = { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [arm, x86] };
  expect(await named({ archMap: [arms, { architecture: x86_64, subArchitectures: [x32] }] })).toEqual([
    ...[x86_64, x32],
  ]);
  expect(await named({ archMap: [{ architecture: x86_64, subArchitectures: null }] })).toEqual([x86_64]);
});

describe('refused', () => {
  test('is a name that leads elsewhere', async () => {
    await writeFile(join(base, 'outside.json'), JSON.stringify(allow));
    await symlink('../outside.json', join(directory, 'link.json'));
    await symlink('..', join(directory, 'up'));
    for (const name of [
      '',
      '/etc/passwd',
      '../outside.json',
      'a/../../outside.json',
      'link.json',
      'up/outside.json',
      'absent.json',
      'sub',
    ]) {
      expect(() => load(name), name).toThrow('cannot load seccomp profile');
    }
  });

  test.each([
    ['nonsense', 'JSON'],
    ['null', 'no defaultAction'],
    [{}, 'no defaultAction'],
    [{ defaultAction: 'SCMP_ACT_DANCE' }, 'SCMP_ACT_DANCE'],
    [{ ...allow, architectures: ['SCMP_ARCH_S390X'] }, 'not for'],
    [{ ...allow, flags: ['SECCOMP_FILTER_FLAG_LOG', 'toString'] }, 'flag toString'],
    [{ ...allow, flags: ['SECCOMP_FILTER_FLAG_NEW_LISTENER'] }, 'SECCOMP_FILTER_FLAG_NEW_LISTENER'],
    [{ ...allow, syscalls: [{ names: ['read'], action: 'SCMP_ACT_NOTIFY' }] }, 'listenerPath'],
    [{ ...allow, syscalls: [{ action: 'SCMP_ACT_ERRNO' }] }, 'no names'],
    [
      { ...allow, syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', errnoRet: 5000 }] },
      'error number 5000',
    ],
    [
      { ...allow, syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: 'x' } }] },
      'minKernel',
    ],
  ])('is %j', async (profile, why) => {
    await put('bad.json', profile);
    expect(() => load('bad.json')).toThrow(why);
  });
});

const reason = whyNoRoot();
test.skipIf(reason !== undefined)(
  `a container and its execs are held to it (${reason ?? 'as root'})`,
  async () => {
    const node = await TestNode.make();
    const runtime = await node.open();
    try {
      await put('no-mkdir.json', {
        ...allow,
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 30 }],
      });
      const { seccomp } = load('no-mkdir.json');
      const pod = await node.sandbox(runtime, 'pod');
      for (const noNewPrivileges of [false, true]) {
        const script = 'busybox mkdir /tmp/x 2>&1; touch /tmp/y && echo written';
        const { output } = await node.run(runtime, pod, script, { seccomp, noNewPrivileges });
        expect(output).toMatch(/ead-only file system\nwritten$/);
      }
    } finally {
      await node.close();
    }
  },
);
