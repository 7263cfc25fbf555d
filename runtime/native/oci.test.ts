import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, runtimeConformance } from '../conformance.ts';
import type { ContainerSpec, ProcessStreams, SandboxSpec } from '../contract.ts';
import type { NativeRuntime } from './index.ts';
import { type Holdings, holdings } from './leaks.ts';
import { cgroupHierarchies } from './oci-cgroups.ts';
import { isAlive, monitorPidOf, nativeHarness, TestNode, whyNoOci } from './test-root.ts';

const reason = whyNoOci();
const PATH = process.env['PATH'];
const HANDLERS = ['runc', 'crun'];

describe.skipIf(reason !== undefined)(`OCI runtimes (${reason ?? 'as root'})`, () => {
  for (const handler of HANDLERS)
    runtimeConformance(`native through ${handler}`, () => nativeHarness(handler, PATH));

  let node: TestNode;
  let runtime: NativeRuntime;

  beforeEach(async () => {
    node = await TestNode.make();
    node.handlerPath = PATH;
    runtime = await node.open();
  });
  afterEach(async () => {
    await node.close();
  });

  const pod = (handler: string, change: Partial<SandboxSpec> = {}) =>
    node.sandbox(runtime, `pod-${handler}`, { handler, ...change });
  const start = async (id: string, script: string, change: Partial<ContainerSpec> = {}) =>
    await runtime.startContainer(id, await node.spec('main.0', script, change));
  const state = async (id: string) => (await runtime.list()).find((candidate) => candidate.id === id)!;

  function reader(streams: ProcessStreams) {
    let seen = '';
    streams.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    return (part: string) => eventually(`output ${part}, not only ${seen}`, () => seen.includes(part));
  }

  /** What the node holds, also in hierarchies in which we set no limits. */
  async function everything(): Promise<Holdings> {
    const { v1, v2 } = await cgroupHierarchies();
    const all = await Promise.all(
      [...v1, ...v2].map(async (mountpoint) => {
        const names = await readdir(join(mountpoint, node.cgroupRoot), { recursive: true }).catch(() => []);
        return names
          .filter((name) => /\/pod[^/]*$/.test(name))
          .map((name) => join(mountpoint, node.cgroupRoot, name));
      }),
    );
    const held = await holdings(node);
    return { ...held, cgroups: [...held.cgroups, ...all.flat()].sort() };
  }

  async function same(before: Holdings): Promise<void> {
    // Monitors that wait for the next pod come and go.
    const processes = ({ processes }: Holdings) => processes.filter((name) => name !== 'gantry-monitor');
    const wanted = { ...before, processes: processes(before) };
    const left = async () => {
      const now = await everything();
      return { ...now, mounts: before.mounts, processes: processes(now) };
    };
    const isSame = async () => JSON.stringify(await left()) === JSON.stringify(wanted);
    await eventually('nothing is left', isSame).catch(async () => expect(await left()).toEqual(wanted));
  }

  test('are told with what they can do, the first one also as `oci`', async () => {
    const { handlers } = await runtime.info();
    const names = handlers.map(({ name }) => name);
    expect(names.slice(0, 4)).toEqual(['', 'oci', 'runc', 'crun']);
    expect(handlers.find(({ name }) => name === 'runc')!.features.recursiveReadOnlyMounts).toBe(true);
  });

  describe.each(HANDLERS)('%s', (handler) => {
    test('says why a program cannot run, as our own does', async () => {
      const cases: [string[], 126 | 127, string][] = [
        [['nosuch'], 127, 'exec: "nosuch": executable file not found in $PATH'],
        [['/no/such'], 127, 'exec: "/no/such": stat /no/such: no such file or directory'],
        [['/etc/passwd'], 126, 'exec: "/etc/passwd": permission denied'],
      ];
      const id = await pod(handler);
      for (const [args, exitCode, message] of cases) {
        const starting = start(id, '', { args });
        await expect(starting, args[0]).rejects.toMatchObject({ code: 'CannotRun', exitCode, message });
        expect((await state(id)).containers).toEqual([]);
      }
    });

    test('gives a container a terminal, and an exec one of its own with its size', async () => {
      const id = await pod(handler);
      await start(id, 'tty; test -c /dev/console && echo console; read line; echo "got $line"; read line', {
        ...{ tty: true, stdin: 'open' },
      });
      const attached = await runtime.attach(id, 'main.0');
      const main = reader(attached);
      attached.stdin!.write('hello\n');
      await main('got hello');
      const size = { columns: 91, rows: 37 };
      const streams = await runtime.exec(id, 'main.0', { args: ['sh'], tty: true, stdin: true, size });
      const output = reader(streams);
      streams.stdin!.write('tty; stty size\n');
      await output('/dev/pts/1');
      await output('37 91');
      streams.resize({ columns: 120, rows: 50 });
      streams.stdin!.write('stty size; exit 5\n');
      await output('50 120');
      expect((await streams.exit).code).toBe(5);
      const sleeping = await runtime.exec(id, 'main.0', { args: ['sleep', '600'], tty: true, stdin: true });
      sleeping.stdin!.write('\x03');
      expect(await sleeping.exit).toMatchObject({ code: 130, signal: 2 });
      attached.stdin!.write('over\n');
      expect(await attached.exit).toMatchObject({ code: 0 });
    });

    test('many short execs at a time all start, and all say how they ended', async () => {
      const id = await pod(handler);
      await start(id, 'exec sleep 600');
      const one = async (code: number) => {
        const args = ['sh', '-c', `echo out; exit ${code}`];
        const streams = await runtime.exec(id, 'main.0', { args, tty: false, stdin: false });
        streams.stderr.resume();
        expect([await text(streams.stdout), (await streams.exit).code]).toEqual(['out\n', code]);
      };
      for (let round = 0; round < 3; round++)
        await Promise.all(Array.from({ length: 12 }, (_, index) => one(index % 3)));
    });

    test('limits are the kernel’s, and an OOM kill is told', async () => {
      const id = await pod(handler);
      const { exit } = await node.run(runtime, id, 'exec dd if=/dev/zero of=/dev/null bs=64M count=1', {
        resources: { memoryBytes: 16 << 20 },
      });
      expect(exit).toMatchObject({ code: 137, signal: 9, reason: 'OOMKilled' });
      const { output } = await node.run(
        ...[runtime, id, '(for i in $(busybox seq 40); do sleep 0.2 & done; wait) 2>&1; true'],
        // runc is of a language that begins with many threads, and counts them in.
        { resources: { pids: 20 } },
      );
      expect(output).toContain("can't fork");
    });

    test('a volume’s folder that became a link to the node is not mounted', async () => {
      const volume = join(node.base, 'volume');
      await mkdir(join(volume, 'real/deep'), { recursive: true });
      await writeFile(join(volume, 'file'), 'of the node');
      await symlink('/etc', join(volume, 'link'));
      const mounts = (path: string, target: string): ContainerSpec['mounts'] => [
        { type: 'bind', source: join(volume, path), target, options: ['rbind', 'nolinks', 'ro'] },
      ];
      const id = await pod(handler);
      const all = [...mounts('real', '/data'), ...mounts('file', '/one/file')];
      const { output } = await node.run(runtime, id, 'ls /data; cat /one/file; touch /data/x; true', {
        mounts: all,
      });
      for (const part of [/^deep$/m, /^of the node$/m, /ead-only/]) expect(output).toMatch(part);
      for (const path of ['link', 'link/ssl']) {
        const starting = start(id, 'true', { mounts: mounts(path, '/data') });
        await expect(starting, path).rejects.toMatchObject({ code: 'Kernel', step: 'bind mount source' });
      }
    });

    test('stopping a pod with shared pids kills the whole group, daemons too', async () => {
      const id = await pod(handler, { sharedPid: true });
      const script = 'trap "" TERM; (trap "" TERM; sleep 600) & sleep 600; sleep 600';
      await start(id, script);
      await eventually('all of it runs', async () => (await runtime.stats(id, 'main.0')).pids === 3);
      expect(await runtime.stopContainer(id, 'main.0', 50)).toMatchObject({ code: 137 });
      const gone = async () => (await runtime.stats(id, 'main.0')).pids === 0;
      await eventually('the group is empty', gone);
    });

    test('containers of a lost monitor are killed, and an agent that comes back goes on', async () => {
      const id = await pod(handler, { sharedPid: true });
      const { pid } = await start(id, 'sleep 600 & exec sleep 601');
      await runtime.close();
      runtime = await node.open();
      const streams = await runtime.exec(id, 'main.0', { args: ['echo', 'here'], tty: false, stdin: false });
      expect(await text(streams.stdout)).toBe('here\n');
      process.kill(await monitorPidOf(runtime, id), 'SIGKILL');
      await eventually('the container is gone', () => !isAlive(pid));
      await eventually('it is lost', async () => (await state(id)).state === 'lost');
      await runtime.removeSandbox(id);
    });

    test('everything a pod made is gone after it, whatever happened to it', async () => {
      // The parents of pods are the instance's, in every hierarchy.
      await start(await pod(handler), 'true');
      await runtime.removeSandbox(`pod-${handler}`);
      await eventually('its monitor ends', async () => (await holdings(node)).processes.length === 0);
      const before = await everything();
      for (const sharedPid of [false, true]) {
        const id = await pod(handler, { sharedPid });
        await start(id, 'sleep 600 & sleep 601 & wait');
        const tty = await node.spec('tty.0', 'exec sleep 600', { tty: true, stdin: 'open' });
        await runtime.startContainer(id, tty);
        const bad = await node.spec('bad.0', '', { args: ['nosuch'] });
        await expect(runtime.startContainer(id, bad)).rejects.toMatchObject({ code: 'CannotRun' });
        await runtime.exec(id, 'main.0', { args: ['sleep', '600'], tty: true, stdin: true });
        await node.run(runtime, id, 'exit 3');
        expect((await everything()).cgroups).not.toEqual(before.cgroups);
        if (sharedPid) process.kill(await monitorPidOf(runtime, id), 'SIGKILL');
        await runtime.removeSandbox(id);
      }
      await same(before);
    });
  });

  /** A handler `crun` of the test's own: a script in front of the real one, `$verb` being what it is asked for. */
  describe('a broken one', () => {
    let directory: string;

    beforeEach(async () => {
      directory = join(node.base, 'broken');
      await mkdir(directory);
      await runtime.close();
      node.handlerPath = directory;
      node.handlerTimeoutMs = 1500;
      await script('');
      runtime = await node.open();
    });

    async function script(body: string): Promise<void> {
      const verb =
        'verb=; for word; do case $word in create|start|exec|kill|delete) verb=$word; break;; esac; done';
      const real = '/usr/bin/crun';
      const file = join(directory, 'crun');
      await writeFile(
        file,
        `#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n${verb}\n${body}\nexec ${real} "$@"\n`,
      );
      await chmod(file, 0o755);
    }

    const cases: [what: string, body: string, error: Record<string, unknown>][] = [
      [
        'fails without a word',
        'test $verb = create && exit 9',
        { step: 'crun run', message: /exit status 9/ },
      ],
      ['is killed', 'test $verb = create && kill -9 $$', { step: 'crun run', message: /signal 9/ }],
      ['is killed between create and start', 'test $verb = start && kill -9 $$', { message: /signal 9/ }],
      [
        'makes nothing',
        'test $verb = create && exit 0; test $verb = start && exit 0',
        { step: 'find process' },
      ],
      [
        'names a process that is not its own',
        'test $verb = create && { while test $1 != --pid-file; do shift; done; echo $PPID > $2; exit 0; }; test $verb = start && exit 0',
        { step: 'find process', message: /no child/ },
      ],
      ['does not end', 'test $verb = create && sleep 600', { code: 'Unavailable' }],
      [
        'says something else',
        'test $verb = create && echo no > "$4" && exit 1',
        { message: /exit status 1/ },
      ],
    ];

    test.each(cases)('that %s fails the start, and leaves nothing', async (_what, body, error) => {
      const id = await pod('crun');
      await start(id, 'exec sleep 600');
      const sleeps = async () => (await everything()).processes.includes('sleep');
      await eventually('it is what it shall be', sleeps);
      const before = await everything();
      await script(body);
      const { message, ...rest } = error;
      const starting = runtime.startContainer(id, await node.spec('next.0', 'exec sleep 600'));
      await expect(starting).rejects.toMatchObject({
        ...{ code: 'Kernel', ...rest },
        ...(message instanceof RegExp && { message: expect.stringMatching(message) }),
      });
      await script('');
      await same(before);
      const streams = await runtime.exec(id, 'main.0', { args: ['echo', 'alive'], tty: false, stdin: false });
      expect(await text(streams.stdout)).toBe('alive\n');
      await runtime.startContainer(id, await node.spec('next.0', 'true'));
    });

    test('that cannot exec fails it, and the container goes on', async () => {
      const id = await pod('crun');
      await start(id, 'exec sleep 600');
      await script('test $verb = exec && exit 9');
      const command = { args: ['true'], tty: false, stdin: false };
      await expect(runtime.exec(id, 'main.0', command)).rejects.toMatchObject({ step: 'crun exec' });
      expect((await state(id)).containers).toMatchObject([{ id: 'main.0', state: 'running' }]);
    });

    test('that is gone says so', async () => {
      const id = await pod('crun');
      await rm(join(directory, 'crun'));
      await expect(start(id, 'true')).rejects.toMatchObject({
        ...{ code: 'Kernel', step: 'crun run' },
        message: `${directory}/crun ended with exit status 127, and said nothing`,
      });
    });

    test('that is gone when the agent comes back: its pods run on, and can be stopped and removed', async () => {
      const id = await pod('crun');
      const { pid } = await start(id, 'trap "exit 7" TERM; while :; do sleep 0.02; done');
      await runtime.close();
      node.handlerPath = undefined;
      runtime = await node.open();
      expect(isAlive(pid)).toBe(true);
      const command = { args: ['true'], tty: false, stdin: false };
      await expect(runtime.exec(id, 'main.0', command)).rejects.toMatchObject({ code: 'Unsupported' });
      await expect(pod('crun')).rejects.toMatchObject({ code: 'Unsupported' });
      expect(await runtime.stopContainer(id, 'main.0', 5000)).toMatchObject({ code: 7 });
      await runtime.removeSandbox(id);
      expect((await everything()).files.filter((file) => file.includes('/oci/'))).toEqual([]);
    });

    test('that does not end at kill and delete holds up nobody', async () => {
      const id = await pod('crun');
      const { pid } = await start(id, 'trap "exit 7" TERM; while :; do sleep 0.02; done');
      await script('test $verb = kill && sleep 600; test $verb = delete && sleep 600');
      // What the runtime does not deliver the monitor does.
      expect(await runtime.stopContainer(id, 'main.0', 5000)).toMatchObject({ code: 7 });
      await runtime.removeContainer(id, 'main.0');
      expect(isAlive(pid)).toBe(false);
      expect((await everything()).files.filter((file) => file.includes('main.0'))).toEqual([]);
    });
  });
});
