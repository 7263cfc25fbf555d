import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { SeccompFlag, SeccompProfile } from '../seccomp-profile.ts';
import type { NativeRuntime } from './index.ts';
import { buildCalls } from './seccomp/calls.ts';
import { compileSeccomp } from './seccomp/compile.ts';
import { containerPidOf, nodeOfSuite, type TestNode, whyNoOci, whyNoRoot } from './test-root.ts';

/** What a filter is installed with, as the kernel tells it of a process that has it. */

const LOG = 'SECCOMP_FILTER_FLAG_LOG';
const SPEC_ALLOW = 'SECCOMP_FILTER_FLAG_SPEC_ALLOW';

const NO_FLAGS = 'runc run: runc create failed: seccomp flags are not yet supported by runc';

const reason = whyNoRoot();
describe.skipIf(reason !== undefined)(`flags of a filter (${reason ?? 'as root'})`, () => {
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

  /** Whether the kernel logs what the filter of that process does. */
  function logs(pid: number): boolean {
    const { status, stderr } = spawnSync(join(node.base, 'calls64'), ['log', String(pid)]);
    expect([0, 2], String(stderr)).toContain(status);
    return status === 0;
  }

  async function start(flags: SeccompFlag[] | undefined, handler?: string): Promise<string> {
    const pod = await node.sandbox(runtime, `pod-${pods++}`, { ...(handler && { handler }) });
    const seccompProfile: SeccompProfile = {
      ...{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO' }] },
      ...(flags && { flags }),
    };
    const change = { seccomp: compileSeccomp(seccompProfile), seccompProfile };
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600', change));
    return pod;
  }

  test.each<[SeccompFlag[] | undefined, boolean]>([
    [undefined, false],
    [[], false],
    [[SPEC_ALLOW], false],
    [[LOG], true],
    [[LOG, SPEC_ALLOW], true],
  ])('%j are in force in a container and its execs', async (flags, expected) => {
    const pod = await start(flags);
    expect(logs(await containerPidOf(runtime, pod))).toBe(expected);
    const seconds = `${900_000 + process.pid}.${pods}`;
    const spec = { args: ['sleep', seconds], tty: false, stdin: false };
    const streams = await runtime.exec(pod, 'main.0', spec);
    streams.stdout.resume();
    streams.stderr.resume();
    let added: number | undefined;
    await eventually('the exec runs', async () => {
      added = await pidOf(`sleep\0${seconds}\0`);
      return added !== undefined;
    });
    expect(logs(added!)).toBe(expected);
    await runtime.removeSandbox(pod);
  });

  const noOci = whyNoOci();
  test.skipIf(noOci !== undefined)(`OCI runtimes are told of them (${noOci ?? 'both'})`, async () => {
    for (const handler of ['runc', 'crun']) {
      const none = await start(undefined, handler);
      expect(logs(await containerPidOf(runtime, none)), handler).toBe(false);
      // Before 1.2 runc knows none.
      const found = await start([LOG], handler).then(
        async (pod) => logs(await containerPidOf(runtime, pod)),
        (error: Error) => error.message,
      );
      expect([true, ...(handler === 'runc' ? [NO_FLAGS] : [])]).toContain(found);
    }
  });

  test('a call that a tracer would decide on is not implemented without one', async () => {
    const pod = await node.sandbox(runtime, 'traced');
    const seccompProfile: SeccompProfile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_TRACE', errnoRet: 7 }],
    };
    const change = { seccomp: compileSeccomp(seccompProfile), seccompProfile };
    const { output } = await node.run(runtime, pod, 'busybox mkdir /tmp/x 2>&1', change);
    expect(output).toMatch(/not implemented/);
  });
});

async function pidOf(commandLine: string): Promise<number | undefined> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended meanwhile.
    const text = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (text === commandLine) return Number(name);
  }
  return undefined;
}
