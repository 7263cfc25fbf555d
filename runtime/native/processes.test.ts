import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { ProcessStreams } from '../contract.ts';
import { probeCgroups } from './cgroup.ts';
import type { NativeRuntime } from './index.ts';
import { monitorPidOf, nodeOfSuite, SANITIZE, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`processes (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let pod: string;
  let pods = 0;

  nodeOfSuite((made, opened) => {
    [node, runtime] = [made, opened];
  });
  beforeEach(async () => {
    pod = await node.sandbox(runtime, `pod-${pods++}`);
  });

  /** Collects stdout; `until` waits for something in it. */
  function reader(streams: ProcessStreams) {
    let seen = '';
    streams.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    return {
      until: (part: string) => eventually(`output ${part}, not only ${seen}`, () => seen.includes(part)),
      seen: () => seen,
    };
  }

  describe('limits', () => {
    test('are written where the kernel reads them', async () => {
      const resources = {
        memoryBytes: 64 << 20,
        cpuShares: 512,
        cpuQuotaUs: 50_000,
        cpuPeriodUs: 100_000,
        pids: 32,
      };
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600', { resources }));
      const { mode, controllers } = await probeCgroups();
      const path = (controller: 'memory' | 'cpu' | 'pids', file: string) =>
        readFile(
          join(controllers.get(controller)!, node.cgroupRoot, 'kubepods/burstable', `pod${pod}/main.0`, file),
          'utf8',
        );
      const v2 = mode === 'v2';
      expect((await path('memory', v2 ? 'memory.max' : 'memory.limit_in_bytes')).trim()).toBe(
        String(64 << 20),
      );
      expect((await path('pids', 'pids.max')).trim()).toBe('32');
      expect((await path('cpu', v2 ? 'cpu.max' : 'cpu.cfs_quota_us')).trim()).toBe(
        v2 ? '50000 100000' : '50000',
      );
    });

    test('a container that eats too much memory is killed and says so', async () => {
      const resources = { memoryBytes: 16 << 20 };
      const { exit } = await node.run(runtime, pod, 'exec dd if=/dev/zero of=/dev/null bs=64M count=1', {
        resources,
      });
      expect(exit).toMatchObject({ code: 137, signal: 9, reason: 'OOMKilled' });
    });

    test('a container cannot have more processes than allowed', async () => {
      const resources = { pids: 4 };
      const { output } = await node.run(
        runtime,
        pod,
        '(for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait) 2>&1; true',
        { resources },
      );
      expect(output).toContain("can't fork");
    });

    test('stats tell cpu, memory and processes', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'sleep 600 & while :; do :; done'));
      await eventually('cpu is used', async () => (await runtime.stats(pod, 'main.0')).cpuNs > 5_000_000);
      const stats = await runtime.stats(pod, 'main.0');
      expect(stats.pids).toBe(2);
      expect(stats.memoryBytes).toBeGreaterThanOrEqual(stats.memoryWorkingSetBytes);
    });
  });

  describe('starting', () => {
    test('says why a program cannot run', async () => {
      const cases: [string[], 126 | 127, string][] = [
        [['nosuch'], 127, 'exec: "nosuch": executable file not found in $PATH'],
        [['/no/such'], 127, 'exec: "/no/such": stat /no/such: no such file or directory'],
        [['/etc/passwd'], 126, 'exec: "/etc/passwd": permission denied'],
        [['/etc'], 126, 'exec: "/etc": is a directory'],
      ];
      for (const [args, exitCode, message] of cases) {
        const start = runtime.startContainer(pod, await node.spec('bad.0', '', { args }));
        await expect(start).rejects.toMatchObject({ code: 'CannotRun', exitCode, message, step: 'exec' });
      }
    });

    test('names the step the kernel refused', async () => {
      const refused = async (change: Parameters<TestNode['spec']>[2]) =>
        await runtime.startContainer(pod, await node.spec('bad.0', 'true', change)).then(
          () => 'started',
          (error) => error.step,
        );
      const bind = { type: 'bind' as const, source: '/no/such/path', target: '/x', options: [] };
      expect(await refused({ mounts: [bind] })).toBe('bind mount source');
      expect(await refused({ root: { ...bind, target: '/' } })).toBe('bind mount source');
      expect(await refused({ seccomp: new Uint8Array(8).fill(255) })).toBe('install seccomp filter');
      expect(await refused({ logPath: '/etc' })).toBe('open log');
      // A file is in the way of the directory.
      expect(await refused({ logPath: '/proc/version/log' })).toBe('make log directory');
    });
  });

  describe('terminals', () => {
    test('many short execs at a time all start, and all say how they ended', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const one = async (index: number) => {
        const code = index % 3;
        const args = ['sh', '-c', `exit ${code}`];
        const streams = await runtime.exec(pod, 'main.0', { args, tty: false, stdin: false });
        streams.stdout.resume();
        streams.stderr.resume();
        expect((await streams.exit).code).toBe(code);
      };
      for (let round = 0; round < 15; round++) {
        await Promise.all(Array.from({ length: 24 }, (_, index) => one(index)));
      }
    });

    test('an exec with a terminal has one: name, size, resize, one stream', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const streams = await runtime.exec(pod, 'main.0', {
        args: ['sh'],
        tty: true,
        stdin: true,
        size: { columns: 91, rows: 37 },
      });
      const output = reader(streams);
      streams.stdin!.write('tty; stty size\n');
      await output.until('/dev/pts/0');
      await output.until('37 91');
      streams.resize({ columns: 120, rows: 50 });
      streams.stdin!.write('stty size; echo err >&2; exit 5\n');
      await output.until('50 120');
      expect(await streams.exit).toMatchObject({ code: 5 });
      expect(output.seen()).toContain('err');
    });

    test('a container with a terminal has /dev/console, and its log has the output', async () => {
      const spec = await node.spec(
        'main.0',
        'tty; test -c /dev/console && echo console; read line; echo "got $line"',
        {
          tty: true,
          stdin: 'open',
        },
      );
      await runtime.startContainer(pod, spec);
      const streams = await runtime.attach(pod, 'main.0');
      const output = reader(streams);
      streams.stdin!.write('hello\n');
      await output.until('got hello');
      expect(await streams.exit).toMatchObject({ code: 0 });
      const log = await readFile(spec.logPath, 'utf8');
      expect(log).toContain('stdout F /dev/pts/0');
      expect(log).toContain('stdout F console');
    });

    test('an interrupt typed in reaches the program', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const streams = await runtime.exec(pod, 'main.0', { args: ['sleep', '600'], tty: true, stdin: true });
      streams.stdin!.write('\x03');
      expect(await streams.exit).toMatchObject({ code: 130, signal: 2 });
    });
  });

  describe('streams', () => {
    test('stdinOnce ends the container’s input when the first client leaves', async () => {
      const spec = await node.spec('main.0', 'cat; echo over', { stdin: 'once' });
      await runtime.startContainer(pod, spec);
      const streams = await runtime.attach(pod, 'main.0');
      streams.stdin!.end('typed\n');
      expect(await streams.exit).toMatchObject({ code: 0 });
      expect(await readFile(spec.logPath, 'utf8')).toMatch(/F typed\n.*F over\n$/);
    });

    test('stdout and stderr are told apart', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const streams = await runtime.exec(pod, 'main.0', {
        args: ['sh', '-c', 'echo a; echo b >&2'],
        tty: false,
        stdin: false,
      });
      expect(await Promise.all([text(streams.stdout), text(streams.stderr)])).toEqual(['a\n', 'b\n']);
    });

    test('a client that does not read makes the exec wait, not the monitor grow, and then gets everything', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const bytes = 8 << 20;
      const args = ['dd', 'if=/dev/zero', 'bs=64k', `count=${bytes >> 16}`];
      const streams = await runtime.exec(pod, 'main.0', { args, tty: false, stdin: false });
      const pid = await monitorPidOf(runtime, pod);
      const other = await runtime.exec(pod, 'main.0', {
        args: ['echo', 'meanwhile'],
        tty: false,
        stdin: false,
      });
      expect(await text(other.stdout)).toBe('meanwhile\n');
      const rss = Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]);
      expect(rss).toBeLessThan(SANITIZE ? 65_536 : 4096);
      let got = 0;
      for await (const chunk of streams.stdout) got += chunk.length;
      expect(got).toBe(bytes);
    });

    test('long lines are logged in parts, a last line without its end as a part', async () => {
      const script =
        'i=0; s=; while [ $i -lt 2000 ]; do s=$s"0123456789"; i=$((i+1)); done; echo $s; printf end';
      const spec = await node.spec('main.0', script);
      await runtime.startContainer(pod, spec);
      await eventually('it exits', async () => (await readFile(spec.logPath, 'utf8')).includes(' P end'));
      const lines = (await readFile(spec.logPath, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
      expect(lines.map((parts) => [parts[1], parts[2], parts[3]!.length])).toEqual([
        ['stdout', 'P', 16_384],
        ['stdout', 'F', 20_000 - 16_384],
        ['stdout', 'P', 3],
      ]);
    });
  });

  test('stopping a pod with shared pids kills the whole group, daemons too', async () => {
    pod = await node.sandbox(runtime, `pod-${pods++}`, { sharedPid: true });
    const script = 'trap "" TERM; (trap "" TERM; sleep 600) & echo ready; sleep 600; sleep 600';
    const spec = await node.spec('main.0', script);
    await runtime.startContainer(pod, spec);
    await eventually('it is ready', async () => (await readFile(spec.logPath, 'utf8')).includes('ready'));
    expect(await runtime.stopContainer(pod, 'main.0', 50)).toMatchObject({ code: 137 });
    const { controllers } = await probeCgroups();
    const procs = join(
      controllers.get('pids')!,
      node.cgroupRoot,
      'kubepods/burstable',
      `pod${pod}/main.0/cgroup.procs`,
    );
    await eventually('the group is empty', async () => (await readFile(procs, 'utf8')) === '');
  });

  test('a shorter grace overrides a longer one that is running', async () => {
    await runtime.startContainer(
      pod,
      await node.spec('main.0', 'trap "" TERM; while :; do sleep 0.05; done'),
    );
    const slow = runtime.stopContainer(pod, 'main.0', 60_000);
    const quick = runtime.stopContainer(pod, 'main.0', 20);
    expect(await Promise.all([slow, quick])).toMatchObject([{ code: 137 }, { code: 137 }]);
  });
});
