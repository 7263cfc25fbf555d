import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Mount } from '../contract.ts';
import type { SeccompProfile } from '../seccomp-profile.ts';
import type { NativeRuntime } from './index.ts';
import { buildCalls, runs32Bit } from './seccomp/calls.ts';
import { compileSeccomp } from './seccomp/compile.ts';
import { SYSCALLS } from './seccomp/syscalls.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

/** Calls that 32-bit programs, and 64-bit ones by the entry for 32-bit calls, really make in a container. */

const reason = whyNoRoot();
const [OK, EPERM, EINVAL, ENOSYS, EAFNOSUPPORT, SIGSYS] = [0, 1, 22, 38, 97, 128 + 31];

describe.skipIf(reason !== undefined)(`calls of other ABIs (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfSuite((made, opened) => {
    [node, runtime] = [made, opened];
  });

  /** What each of `commands` ends with, in a container under `seccomp`. */
  async function statuses(
    pod: string,
    commands: string[],
    change: { seccomp?: Uint8Array | undefined } = {},
  ): Promise<number[]> {
    const directory = join(node.base, 'calls');
    await mkdir(directory, { recursive: true });
    buildCalls(directory);
    expect(runs32Bit(directory)).toBe(true);
    await node.sandbox(runtime, pod);
    const mounts: Mount[] = [{ type: 'bind', source: directory, target: '/calls', options: ['ro'] }];
    const script = commands.map((one) => `/calls/${one} 2>/dev/null; echo $?`).join('\n');
    const { output } = await node.run(runtime, pod, script, { mounts, ...change });
    return output
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number);
  }

  const i386 = (name: string, ...args: string[]) =>
    `32 ${SYSCALLS.SCMP_ARCH_X86.get(name)} ${args.join(' ')}`;
  /** Each with what it ends with without a filter: the difference is the filter's. */
  const CALLS: [string, number, number][] = [
    [i386('getpid'), OK, OK],
    [i386('getuid32'), OK, OK],
    [i386('socket', '1', '1'), OK, OK],
    [i386('personality', '8'), OK, OK],
    [i386('unshare', '0'), EPERM, OK],
    [i386('keyctl', '1'), EPERM, OK],
    [i386('socket', '28', '1'), EPERM, OK],
    [i386('personality', '40000'), EPERM, OK],
    [i386('clone3'), ENOSYS, EINVAL],
    ['32 9999', ENOSYS, ENOSYS],
  ];

  test.each(['calls32', 'calls64'])('RuntimeDefault holds them as those of x86_64: %s', async (program) => {
    const commands = CALLS.map(([arguments_]) => `${program} ${arguments_}`);
    expect(await statuses(`default-${program}`, commands)).toEqual(CALLS.map(([, filtered]) => filtered));
    expect(await statuses(`none-${program}`, commands, { seccomp: undefined })).toEqual(
      CALLS.map(([, , unfiltered]) => unfiltered),
    );
  });

  test('what a 64-bit program leaves in the upper half of a register does not deceive it', async () => {
    const commands = [i386('socket', '100000028', '1'), i386('personality', 'ff00000008')];
    expect(
      await statuses(
        'upper',
        commands.map((one) => `calls64 ${one}`),
      ),
    ).toEqual([EPERM, OK]);
  });

  test('socketcall asks for what it likes', async () => {
    const commands = ['calls32', 'calls64'].flatMap((program) => [
      `${program} socketcall 1`,
      `${program} socketcall 40`,
    ]);
    const found = await statuses('socketcall', commands);
    expect([found[0], found[2]]).toEqual([OK, OK]);
    // Without such sockets in the kernel.
    for (const one of [found[1], found[3]]) expect([OK, EAFNOSUPPORT]).toContain(one);
  });

  test('x32 is refused by the rules, or for want of it in the kernel', async () => {
    const x32 = (name: string) => `calls64 x32 ${SYSCALLS.SCMP_ARCH_X86_64.get(name)}`;
    const [allowed, refused] = await statuses('x32', [x32('getpid'), x32('unshare')]);
    expect([OK, ENOSYS]).toContain(allowed);
    expect(refused).toBe(EPERM);
  });

  test('a profile that names only x86_64 ends who makes them', async () => {
    const profile: SeccompProfile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] };
    const commands = ['calls32 32 20', 'calls64 32 20', 'calls64 x32 39'];
    expect(await statuses('only', commands, { seccomp: compileSeccomp(profile) })).toEqual([
      SIGSYS,
      SIGSYS,
      SIGSYS,
    ]);
    const x86: SeccompProfile = { ...profile, architectures: ['SCMP_ARCH_X86'] };
    expect(await statuses('both', commands, { seccomp: compileSeccomp(x86) })).toEqual([OK, OK, SIGSYS]);
  });
});
