import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { ContainerSpec, ExecSpec, Mount, SandboxSpec } from '../contract.ts';
import { appArmorFile, DEFAULT_PROFILE, loadProfiles, prepareAppArmor } from './apparmor.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { buildCalls } from './seccomp/calls.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot() ?? ((await appArmorFile()) ? undefined : 'needs a kernel with AppArmor');

const CURRENT = 'cat /proc/self/attr/apparmor/current';
const ENFORCED = `${DEFAULT_PROFILE} (enforce)`;
/** All that could be in the way of what a profile must forbid. */
const POWERFUL: Partial<ContainerSpec> = {
  ...{ capabilities: [...CAPABILITIES], maskedPaths: [], readOnlyPaths: [] },
  ...{ seccomp: undefined, seccompProfile: undefined },
} as Partial<ContainerSpec>;

describe.skipIf(reason !== undefined)(`AppArmor (${reason ?? 'as root'})`, () => {
  const OWN = `gantry-test-${process.pid}`;
  const OWN_TEXT = `profile ${OWN} { file, signal, deny /etc/** w, }`;
  let node: TestNode;
  let runtime: NativeRuntime;
  let pods = 0;

  nodeOfSuite(
    (made, opened) => {
      [node, runtime] = [made, opened];
    },
    { handlers: true },
  );
  beforeAll(async () => {
    expect(await prepareAppArmor()).toEqual({ defaultProfile: DEFAULT_PROFILE });
  });
  afterAll(() => {
    execFileSync('/usr/sbin/apparmor_parser', ['--remove'], { input: `profile ${OWN} {}` });
  });

  const pod = (change: Partial<SandboxSpec> = {}) => node.sandbox(runtime, `pod-${pods++}`, change);
  const run = async (script: string, change: Partial<ContainerSpec>) =>
    (await node.run(runtime, await pod(), script, change)).output;
  async function exec(id: string, container: string, spec: Partial<ExecSpec> = {}): Promise<string> {
    const args = ['sh', '-c', CURRENT];
    const streams = await runtime.exec(id, container, { args, tty: false, stdin: false, ...spec });
    return (await text(streams.stdout)).trim();
  }

  test('a container is under the profile it names, and under none when it names none', async () => {
    expect((await runtime.info()).features['appArmor']).toBe(true);
    expect(await run(CURRENT, { appArmorProfile: DEFAULT_PROFILE })).toBe(ENFORCED);
    expect(await run(CURRENT, {})).toBe('unconfined');
  });

  test.each<[string, Partial<SandboxSpec>, Partial<ContainerSpec>]>([
    ['alone', {}, {}],
    ['without new privileges', {}, { noNewPrivileges: true }],
    ['as another user', {}, { uid: 1000, gid: 1000 }],
    ['with an init', {}, { init: true }],
    ['on a terminal', {}, { tty: true }],
    ['with shared pids', { sharedPid: true }, {}],
    ['in a user namespace', { userNamespace: { hostId: 700_000, size: 65_536 } }, {}],
  ])('so are all its processes and those added later: %s', async (_, ofPod, change) => {
    const id = await pod(ofPod);
    const own = { ...change, appArmorProfile: DEFAULT_PROFILE };
    await runtime.startContainer(id, await node.spec('main.0', 'sleep 600 & exec sleep 601', own));
    expect(await exec(id, 'main.0')).toBe(ENFORCED);
    expect(await exec(id, 'main.0', { tty: true })).toBe(ENFORCED);
    const user = { uid: 5, gid: 5, additionalGids: [] };
    expect(await exec(id, 'main.0', { user, noNewPrivileges: true })).toBe(ENFORCED);
    const all = ['sh', '-c', 'cat /proc/[0-9]*/attr/apparmor/current'];
    // The pod's pid 1, which runs no program, has none.
    const labels = new Set((await exec(id, 'main.0', { args: all })).split('\n'));
    if (ofPod.sharedPid) labels.delete('unconfined');
    expect([...labels]).toEqual([ENFORCED]);
    const stopped = await runtime.stopContainer(id, 'main.0', 20_000, 9);
    expect(stopped.signal).toBe(9);
    await runtime.removeSandbox(id);
  });

  test('it may be sent signals by the node, and ends by them', async () => {
    const id = await pod();
    const script = 'trap "exit 7" TERM; echo ready; while :; do sleep 1; done';
    const spec = await node.spec('main.0', script, { appArmorProfile: DEFAULT_PROFILE });
    await runtime.startContainer(id, spec);
    await eventually('it is ready', async () => (await readFile(spec.logPath, 'utf8')).includes('ready'));
    expect((await runtime.stopContainer(id, 'main.0', 60_000)).code).toBe(7);
  });

  test('sockets that the default filter cannot keep from 32-bit programs', async () => {
    const directory = join(node.base, 'calls');
    await mkdir(directory);
    buildCalls(directory);
    const mounts: Mount[] = [{ type: 'bind', source: directory, target: '/calls', options: ['ro'] }];
    const script = 'for family in 1 38 40; do /calls/calls32 socketcall $family; echo $?; done';
    const EACCES = '13';
    const denied = await run(script, { mounts, appArmorProfile: DEFAULT_PROFILE });
    expect(denied.split('\n')).toEqual(['0', EACCES, EACCES]);
    for (const one of (await run(script, { mounts })).split('\n')) expect(one).not.toBe(EACCES);
  });

  const again = (file: string) => `value=$(cat ${file}) && echo "$value" > ${file} && echo did`;
  test.each([
    ['mount', 'mount -t tmpfs none /tmp && echo did'],
    ['mount again', 'mount -o remount,bind,ro / && echo did'],
    ['set what is the whole node’s', again('/proc/sys/kernel/panic')],
    ['set what another folder has', again('/proc/sys/vm/swappiness')],
    ['write below /sys', again('/sys/kernel/rcu_expedited')],
    ['read what is there of security', 'cat /sys/kernel/security/lsm && echo did'],
  ])('the default profile forbids to %s, whatever the container may do otherwise', async (_, script) => {
    const writable: Mount = {
      type: 'bind',
      source: '/sys/kernel',
      target: '/sys/kernel',
      options: ['rbind'],
    };
    const powerful = { ...POWERFUL, mounts: [writable] };
    expect(await run(script, powerful)).toContain('did');
    const forbidden = await run(`{ ${script}; } 2>&1`, { ...powerful, appArmorProfile: DEFAULT_PROFILE });
    expect(forbidden).not.toContain('did');
    expect(forbidden).toMatch(/[Pp]ermission denied/);
  });

  test('a profile of the node’s is refused until it is loaded, and then kept to', async () => {
    const id = await pod();
    const spec = await node.spec('main.0', 'exec sleep 600', { appArmorProfile: OWN });
    await expect(runtime.startContainer(id, spec)).rejects.toMatchObject({
      code: 'Unsupported',
      message: `AppArmor profile "${OWN}" is not loaded`,
    });
    expect((await runtime.list()).find((state) => state.id === id)!.containers).toEqual([]);
    expect(await loadProfiles(OWN_TEXT)).toBeUndefined();
    await runtime.startContainer(id, spec);
    expect(await exec(id, 'main.0')).toBe(`${OWN} (enforce)`);
    const args = ['sh', '-c', '(echo x > /tmp/x) 2>&1 && echo fine; (echo x > /etc/x) 2>&1'];
    expect(await exec(id, 'main.0', { args })).toMatch(/^fine\n.*[Pp]ermission denied$/);
  });

  test.each(['runc', 'crun'])('containers of %s are under theirs too', async (handler) => {
    const id = await pod({ handler });
    const own = { appArmorProfile: DEFAULT_PROFILE };
    await runtime.startContainer(id, await node.spec('main.0', 'exec sleep 600', own));
    expect(await exec(id, 'main.0')).toBe(ENFORCED);
  });

  test('a text that is no profile says what is wrong with it', async () => {
    expect(await loadProfiles('profile broken {')).toMatch(/^apparmor_parser: .*syntax error/);
  });
});
