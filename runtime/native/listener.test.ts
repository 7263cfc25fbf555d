import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { ContainerSpec, SandboxSpec } from '../contract.ts';
import type { NativeRuntime } from './index.ts';
import { localSeccomp } from './seccomp/local-profile.ts';
import { nodeOfSuite, type TestNode, whyNoOci, whyNoRoot } from './test-root.ts';
import { compileProgram } from './testing/programs.ts';

const reason = whyNoRoot();
const MKDIR = 83;
const PROFILE = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['mkdir', 'execve', 'setsid', 'capset', 'clone'], action: 'SCMP_ACT_NOTIFY' }],
};

describe.skipIf(reason !== undefined)(`seccomp listener (${reason ?? 'as root'})`, () => {
  let directory: string;
  let node: TestNode;
  let runtime: NativeRuntime;
  let listener: ChildProcess;
  let said = '';
  let heard = '';
  let pods = 0;

  nodeOfSuite(
    (made, opened) => {
      [node, runtime] = [made, opened];
    },
    { handlers: true },
  );
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gantry-listener-'));
    const program = await compileProgram('listen', directory);
    listener = spawn(program, [join(directory, 'socket')], { stdio: ['ignore', 'pipe', 'inherit'] });
    listener.stdout!.on('data', (chunk) => {
      said += String(chunk);
      heard += String(chunk);
    });
    await eventually('it listens', () => said.includes('ready'));
  });
  afterAll(async () => {
    listener.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  async function profile(change: object = {}): Promise<Pick<ContainerSpec, 'seccomp' | 'seccompProfile'>> {
    const listenerPath = join(directory, 'socket');
    const whole = { ...PROFILE, listenerPath, listenerMetadata: 'say "hello"', ...change };
    await writeFile(join(directory, 'profile.json'), JSON.stringify(whole));
    return localSeccomp(directory, 'profile.json', []);
  }
  const pod = (change: Partial<SandboxSpec> = {}) => node.sandbox(runtime, `pod-${pods++}`, change);
  /** What the listener is told with the next descriptor that it gets: what it prints comes a moment later. */
  async function told(): Promise<{ pid: number; state: Record<string, unknown>; [key: string]: unknown }> {
    const messages = () => said.split('\n').filter((line) => /^\{.*\}$/.test(line));
    await eventually('it is told', () => messages().length > 0);
    const all = messages();
    said = '';
    expect(all).toHaveLength(1);
    return JSON.parse(all[0]!);
  }
  const SCRIPT = 'busybox mkdir /tmp/x 2>&1; busybox touch /tmp/y && echo went on; exec sleep 600';

  test.each<[string, Partial<SandboxSpec>, Partial<ContainerSpec>]>([
    ['alone', {}, {}],
    ['without new privileges', {}, { noNewPrivileges: true }],
    ['with an init', {}, { init: true }],
    ['on a terminal', {}, { tty: true }],
    ['as another user', {}, { uid: 1000, gid: 1000 }],
    ['in a user namespace', { userNamespace: { hostId: 700_000, size: 65_536 } }, {}],
    ['with shared pids', { sharedPid: true }, {}],
  ])('answers for a container and what is added to it: %s', async (_, ofPod, change) => {
    heard = '';
    const id = await pod(ofPod);
    const spec = await node.spec('main.0', SCRIPT, { ...(await profile()), ...change });
    const { pid } = await runtime.startContainer(id, { ...spec, labels: { app: 'web' } });
    const message = await told();
    expect(message).toMatchObject({
      ...{ ociVersion: '1.0.2', fds: ['seccompFd'], metadata: 'say "hello"' },
      state: { id: `${id}.main.0`, status: 'creating', annotations: { app: 'web' } },
    });
    // Where containers share pids, the process that got the filter has passed it on to another one.
    if (!ofPod.sharedPid) expect(message).toMatchObject({ pid, state: { pid } });
    const logged = await eventuallyRead(spec.logPath, /went on/);
    expect(logged).toMatch(/ead-only file system/);
    await eventually('mkdir was passed on', () => heard.includes(`\n${MKDIR} `));

    const args = ['sh', '-c', 'busybox mkdir /tmp/z 2>&1; true'];
    const streams = await runtime.exec(id, 'main.0', { args, tty: false, stdin: false });
    expect(await text(streams.stdout)).toMatch(/ead-only file system/);
    expect((await streams.exit).code).toBe(0);
    expect(await told()).toMatchObject({ state: { pid } });
    await runtime.removeSandbox(id);
  });

  test.skipIf(whyNoOci() !== undefined).each(['runc', 'crun'])(
    'answers for containers of %s',
    async (handler) => {
      const id = await pod({ handler });
      const own = await profile({ syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }] });
      const spec = await node.spec('main.0', SCRIPT, own);
      await runtime.startContainer(id, spec);
      expect(await eventuallyRead(spec.logPath, /went on/)).toMatch(/ead-only file system/);
      // crun sends it over several lines.
      const told = () => said.replaceAll(/\s/g, '').includes('"metadata":"say\\"hello\\""');
      await eventually('it is told', told);
      said = '';
    },
  );

  test('that is not there, or leads nowhere, fails the start and leaves nothing', async () => {
    const id = await pod();
    const own = await profile({ listenerPath: join(directory, 'absent') });
    const spec = await node.spec('main.0', SCRIPT, own);
    await expect(runtime.startContainer(id, spec)).rejects.toMatchObject({
      code: 'Kernel',
      step: 'reach seccomp listener',
      message: expect.stringContaining('ENOENT'),
    });
    expect((await runtime.list()).find((state) => state.id === id)!.containers).toEqual([]);
  });

  test.each([
    [{ listenerPath: 'socket' }, 'needs a listenerPath'],
    [{ listenerPath: `/${'x'.repeat(107)}` }, 'needs a listenerPath'],
    [{ listenerPath: undefined }, 'needs a listenerPath'],
    [{ defaultAction: 'SCMP_ACT_NOTIFY' }, 'cannot be the default action'],
    [{ listenerMetadata: 'x'.repeat(8193) }, 'more than 8192 bytes'],
    [{ syscalls: [{ names: ['sendmsg'], action: 'SCMP_ACT_NOTIFY' }] }, 'cannot be used for sendmsg'],
  ])('cannot be had with %j', async (change, why) => {
    await expect(profile(change)).rejects.toThrow(why);
  });

  test('gone, leaves its containers calls that are not implemented', async () => {
    const id = await pod();
    const spec = await node.spec('main.0', 'read go; busybox mkdir /tmp/x 2>&1; echo over', {
      ...(await profile({ syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }] })),
      stdin: 'open',
    });
    await runtime.startContainer(id, spec);
    listener.kill('SIGKILL');
    await eventually('it is gone', () => listener.signalCode !== null);
    const streams = await runtime.attach(id, 'main.0');
    streams.stdin!.write('go\n');
    expect(await eventuallyRead(spec.logPath, /over/)).toMatch(/not implemented/);
  });
});

async function eventuallyRead(path: string, wanted: RegExp): Promise<string> {
  let seen = '';
  await eventually(`${path} has ${wanted}`, async () => {
    seen = await readFile(path, 'utf8');
    return wanted.test(seen);
  });
  return seen;
}
