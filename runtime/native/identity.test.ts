import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { ContainerSpec, ExecSpec, Mount } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';
import { compileProgram } from './testing/programs.ts';

const reason = whyNoRoot();
const KEYCTL = 250;
const KEYCTL_DESCRIBE = 6;
const SESSION_KEYRING = -3;

describe.skipIf(reason !== undefined)(`identity (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let call: Mount;
  let pod: string;
  let pods = 0;

  nodeOfSuite(async (made, opened) => {
    [node, runtime] = [made, opened];
    const source = await compileProgram('call', node.base);
    call = { type: 'bind', source, target: '/bin/call', options: ['ro'] };
  });
  beforeEach(async () => {
    pod = await node.sandbox(runtime, `pod-${pods++}`);
  });

  const start = async (script: string, change: Partial<ContainerSpec> = {}) => {
    const spec = await node.spec('main.0', script, change);
    await runtime.startContainer(pod, spec);
    return spec;
  };
  const exec = async (script: string, change: Partial<ExecSpec> = {}) => {
    const args = ['sh', '-c', script];
    const streams = await runtime.exec(pod, 'main.0', { args, tty: false, stdin: false, ...change });
    const [stdout, exit] = await Promise.all([text(streams.stdout), streams.exit]);
    return { stdout: stdout.trim(), exit };
  };

  describe('of an exec', () => {
    test('is another user’s when it says so, with that user’s groups and no others', async () => {
      await start('exec sleep 600', { uid: 1000, gid: 1000, additionalGids: [7, 8] });
      expect((await exec('id')).stdout).toMatch(/^uid=1000 gid=1000 groups=7,8(,1000)?$/);
      const user = { uid: 33, gid: 34, additionalGids: [35] };
      expect((await exec('id', { user })).stdout).toMatch(/^uid=33 gid=34 groups=(34,)?35$/);
      const root = { uid: 0, gid: 0, additionalGids: [] };
      expect((await exec('id; echo $(grep CapEff /proc/self/status)', { user: root })).stdout).toMatch(
        /^uid=0.* gid=0[\s\S]*00000000a80425fb$/,
      );
      // Its output and terminal are its own, under their names too.
      expect((await exec('echo out > /dev/stdout', { user })).stdout).toBe('out');
    });

    test('holds other capabilities and another no_new_privs when it says so', async () => {
      await start('exec sleep 600');
      const status =
        'grep -E "CapEff|CapBnd|NoNewPrivs|Seccomp:" /proc/self/status | while read a b; do echo $b; done';
      // What the node itself does not hold it cannot give.
      const all = /CapPrm:\s+(\w+)/.exec(await readFile('/proc/self/status', 'utf8'))![1]!;
      expect((await exec(status)).stdout.split('\n')).toEqual([
        '00000000a80425fb',
        '00000000a80425fb',
        '0',
        '2',
      ]);
      expect((await exec(status, { capabilities: [...CAPABILITIES] })).stdout.split('\n')).toEqual([
        all,
        all,
        '0',
        '2',
      ]);
      expect((await exec(status, { capabilities: [], noNewPrivileges: true })).stdout.split('\n')).toEqual([
        '0000000000000000',
        '0000000000000000',
        '1',
        '2',
      ]);
    });

    test('has its own working directory and variables', async () => {
      await start('exec sleep 600', { env: ['PATH=/bin', 'A=1', 'B=2'] });
      expect((await exec('pwd; echo $A $B $C', { cwd: '/tmp', env: ['B=3', 'C=4'] })).stdout).toBe(
        '/tmp\n1 3 4',
      );
    });

    test('that cannot be is refused', async () => {
      await start('exec sleep 600');
      const bad: Partial<ExecSpec>[] = [
        { user: { uid: 2 ** 31, gid: 0, additionalGids: [] } },
        { user: { uid: -1, gid: 0, additionalGids: [] } },
        { user: { uid: 0, gid: 0, additionalGids: [1.5] } },
        { user: { uid: 0, gid: 0, additionalGids: Array.from({ length: 1025 }, (_, index) => index) } },
        { capabilities: ['CAP_NO_SUCH'] },
        { cwd: 'relative' },
        { env: ['novalue'] },
        { args: ['a\0b'] },
        { args: [] },
      ];
      for (const change of bad) {
        await expect(exec('true', change), JSON.stringify(change)).rejects.toMatchObject({
          code: 'InvalidSpec',
        });
      }
    });

    test('takes signals', async () => {
      await start('exec sleep 600');
      const streams = await runtime.exec(pod, 'main.0', {
        args: ['sh', '-c', 'trap "echo hup" HUP; echo ready; while :; do sleep 0.02; done'],
        tty: false,
        stdin: false,
      });
      let seen = '';
      streams.stdout.on('data', (chunk) => {
        seen += String(chunk);
      });
      await eventually('it is ready', () => seen.includes('ready'));
      streams.signal(1);
      await eventually('it is told', () => seen.includes('hup'));
      streams.signal(15);
      expect(await streams.exit).toMatchObject({ code: 143, signal: 15 });
      streams.signal(15);
    });
  });

  describe('resource limits', () => {
    test('hold for what is executed later too', async () => {
      const rlimits = [
        { type: 'RLIMIT_NOFILE', soft: 100, hard: 100 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ];
      await start('exec sleep 600', { rlimits });
      expect((await exec('ulimit -n; ulimit -c')).stdout).toBe('100\n0');
    });

    test('that make no sense are refused', async () => {
      const bad = [
        [{ type: 'RLIMIT_NO_SUCH', soft: 1, hard: 1 }],
        [{ type: 'RLIMIT_NOFILE', soft: 2, hard: 1 }],
        [{ type: 'RLIMIT_NOFILE', soft: -1, hard: 1 }],
        [{ type: 'RLIMIT_NOFILE', soft: -2, hard: -1 }],
        [{ type: 'RLIMIT_NOFILE', soft: 1.5, hard: 2 }],
        [
          { type: 'RLIMIT_NOFILE', soft: 1, hard: 1 },
          { type: 'RLIMIT_NOFILE', soft: 2, hard: 2 },
        ],
      ];
      for (const rlimits of bad) {
        await expect(start('true', { rlimits }), JSON.stringify(rlimits)).rejects.toMatchObject({
          code: 'InvalidSpec',
        });
      }
    });
  });

  test('each process from outside has a session keyring of its own, which no other user or container may use', async () => {
    const describeKeyring = `call ${KEYCTL} ${KEYCTL_DESCRIBE} ${SESSION_KEYRING} buf 4096; call ${KEYCTL} 0 ${SESSION_KEYRING} 0`;
    const change = { seccomp: undefined, mounts: [call] };
    const spec = await start(`${describeKeyring}; exec sleep 600`, { ...change, uid: 1000, gid: 1000 });
    await eventually(
      'it has told',
      async () => (await readFile(spec.logPath, 'utf8')).split('\n').length > 2,
    );
    const log = (await readFile(spec.logPath, 'utf8'))
      .split('\n')
      .map((line) => line.split(' ').slice(3).join(' '));
    // type;uid;gid;permissions;description
    expect(log[0]).toMatch(/^ok \d+ keyring;0;0;3f000000;_ses$/);
    const serial = /^ok (\d+)$/.exec(log[1]!)![1]!;
    const other = (
      await exec(`${describeKeyring}; call ${KEYCTL} ${KEYCTL_DESCRIBE} ${serial} buf 4096`)
    ).stdout.split('\n');
    expect(other[0]).toMatch(/;3f000000;_ses$/);
    expect(other[1]).not.toBe(log[1]);
    expect(other[2]).toBe('errno 13');
  });

  describe('init', () => {
    const init = { init: true };

    test('is process 1, of the container’s rights, and reaps what is orphaned', async () => {
      const script =
        '(sleep 0.05 & echo $!) ; sh -c "sleep 0.02 & sleep 0.04 &"; sleep 0.3; ps -o pid,stat,args';
      const { output, exit } = await node.run(runtime, pod, script, init);
      expect(exit).toMatchObject({ code: 0 });
      expect(output).toMatch(/^\s*1 S[N<]?\s+gantry-init sh -c/m);
      expect(output.split('\n').slice(2)).toHaveLength(2);
      const rights =
        'grep -E "Uid|CapEff|Seccomp:|NoNewPrivs" /proc/1/status; wc -c < /proc/1/environ; ls /proc/1/fd | wc -l';
      const asUser = await node.run(runtime, pod, rights, {
        ...init,
        uid: 1000,
        gid: 1000,
        noNewPrivileges: true,
      });
      expect(asUser.output).toMatch(
        /Uid:\s+1000\s+1000\s+1000[\s\S]*CapEff:\s+0000000000000000[\s\S]*NoNewPrivs:\s+1[\s\S]*Seccomp:\s+2/,
      );
      expect(asUser.output).toMatch(/\n0$/);
    });

    test('ends as its program ends', async () => {
      expect((await node.run(runtime, pod, 'exit 7', init)).exit).toMatchObject({ code: 7 });
      expect((await node.run(runtime, pod, 'kill -9 $$', init)).exit).toMatchObject({ code: 137 });
      // And takes along what the program left behind.
      expect((await node.run(runtime, pod, 'sleep 600 & exit 3', init)).exit).toMatchObject({ code: 3 });
    });

    test('hands signals on, so that a program need not expect to be process 1', async () => {
      await start('exec sleep 600', init);
      expect(await runtime.stopContainer(pod, 'main.0', 10_000)).toMatchObject({ code: 143 });
      await runtime.removeContainer(pod, 'main.0');
      const spec = await start(
        'trap "echo told; exit 4" USR1; echo ready; while :; do sleep 0.02; done',
        init,
      );
      await eventually('it is ready', async () => (await readFile(spec.logPath, 'utf8')).includes('ready'));
      expect(await runtime.stopContainer(pod, 'main.0', 10_000, 10)).toMatchObject({ code: 4 });
    });

    test('says why the program cannot run', async () => {
      const cases: [string[], 126 | 127][] = [
        [['nosuch'], 127],
        [['/etc'], 126],
        [['/etc/passwd'], 126],
      ];
      for (const [args, exitCode] of cases) {
        await expect(start('', { ...init, args })).rejects.toMatchObject({ code: 'CannotRun', exitCode });
      }
    });

    test('leaves the terminal to its program', async () => {
      await start('tty; read line; echo "got $line"; exec sleep 600', { ...init, tty: true, stdin: 'open' });
      const streams = await runtime.attach(pod, 'main.0');
      let seen = '';
      streams.stdout.on('data', (chunk) => {
        seen += String(chunk);
      });
      streams.stdin!.write('hello\n');
      await eventually('it answers', () => seen.includes('got hello'));
      streams.stdin!.write('\x03');
      expect(await streams.exit).toMatchObject({ code: 130 });
    });

    test('in a pid namespace of the pod it reaps for its own container', async () => {
      pod = await node.sandbox(runtime, `pod-${pods++}`, { sharedPid: true });
      const { output, exit } = await node.run(
        runtime,
        pod,
        '(sh -c "sleep 0.05 &"); sleep 0.2; ps -o pid,ppid,stat,args',
        init,
      );
      expect(exit).toMatchObject({ code: 0 });
      expect(output.split('\n').slice(1)).toHaveLength(3);
      expect(output).toMatch(/gantry-init sh/);
    });

    test('its program cannot be written to by the container', async () => {
      const change = {
        ...init,
        capabilities: [...CAPABILITIES],
        seccomp: undefined,
        maskedPaths: [],
        readOnlyPaths: [],
      };
      const { output } = await node.run(runtime, pod, 'echo evil 2>&1 > /proc/1/exe; echo $?', change);
      expect(output).toMatch(/denied|busy|not permitted/);
      expect(await readFile(join(import.meta.dirname, '../../dist/bin/monitor'), 'latin1')).not.toContain(
        'evil',
      );
    });
  });

  test('what is orphaned into a pid namespace of the pod is reaped without init too', async () => {
    pod = await node.sandbox(runtime, `pod-${pods++}`, { sharedPid: true });
    const { output } = await node.run(
      runtime,
      pod,
      '(sh -c "sleep 0.05 &"); sleep 0.2; ps -o pid,ppid,stat,args',
    );
    expect(output.split('\n').slice(1)).toHaveLength(2);
  });
});
