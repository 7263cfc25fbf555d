import { lstat, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ContainerSpec, Mount, SandboxSpec } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { defaultSeccomp } from './seccomp/index.ts';
import { monitorPidOf, nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`isolation (${reason ?? 'as root'})`, () => {
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

  const run = async (script: string, change: Partial<ContainerSpec> = {}) =>
    (await node.run(runtime, pod, script, change)).output;
  const another = async (change: Partial<SandboxSpec>) => {
    pod = await node.sandbox(runtime, `pod-${pods++}`, change);
  };

  describe('namespaces', () => {
    test('a container is pid 1 and sees nobody else', async () => {
      expect(await run('echo $$; ls /proc | grep -c "^[0-9]"')).toMatch(/^1\n[1-3]$/);
    });

    test('the host name is the pod’s, the network has only loopback, and it is up', async () => {
      expect(await run('hostname')).toBe(pod);
      expect(await run('ls /sys/class/net')).toBe('lo');
      expect(await run('cat /sys/class/net/lo/flags')).toBe('0x9');
    });

    test('containers of a pod share network and ipc, not pids and mounts', async () => {
      const links = 'for n in net ipc uts pid mnt cgroup; do stat -c %N /proc/self/ns/$n; done';
      // Both at once: a number of a namespace that is gone may come again.
      await runtime.startContainer(pod, await node.spec('other.0', 'exec sleep 600'));
      const exec = await runtime.exec(pod, 'other.0', {
        args: ['sh', '-c', links],
        tty: false,
        stdin: false,
      });
      const first = (await text(exec.stdout)).trim().split('\n');
      const second = (await run(links)).split('\n');
      expect(second.slice(0, 3)).toEqual(first.slice(0, 3));
      for (const index of [3, 4, 5]) expect(second[index]).not.toBe(first[index]);
      const own = await Promise.all(['net', 'ipc', 'uts'].map((name) => readlink(`/proc/self/ns/${name}`)));
      for (const [index, link] of own.entries()) expect(first[index]).not.toContain(link);
    });

    test('with a shared pid namespace containers see each other, and no container is pid 1', async () => {
      await another({ sharedPid: true });
      await runtime.startContainer(pod, await node.spec('sleeper.0', 'exec sleep 600'));
      expect(await run('test $$ -ne 1 && ps -o args')).toContain('sleep 600');
      // The pod's pid 1 has an empty root and no capability to offer.
      expect(await run('grep CapPrm /proc/1/status')).toMatch(/0000000000000000/);
      expect(await run('ls /proc/1/root/ 2>&1; true')).not.toContain('bin');
    });

    test('on the node’s network a container has the node’s', async () => {
      await another({ namespaces: { network: 'node', pid: 'pod', ipc: 'pod' } });
      const [state] = (await runtime.list()).filter((candidate) => candidate.id === pod);
      expect(state!.networkNamespace).toBe('');
      const own = await readFile('/proc/net/dev', 'utf8');
      const seen = await run('cat /proc/net/dev');
      expect(seen.split('\n').length).toBe(own.trim().split('\n').length);
    });

    test('sysctls are the pod’s own', async () => {
      const before = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
      await another({
        sysctls: { 'net.ipv4.ip_local_port_range': '20000 30000', 'kernel.shm_rmid_forced': '1' },
      });
      expect(await run('cat /proc/sys/net/ipv4/ip_local_port_range')).toMatch(/^20000\s+30000$/);
      expect(await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')).toBe(before);
    });

    test('a sysctl the kernel does not know fails the sandbox and leaves nothing', async () => {
      const spec = { sysctls: { 'net.no.such': '1' } };
      await expect(node.sandbox(runtime, 'broken', spec)).rejects.toMatchObject({
        code: 'Kernel',
        step: 'set sysctl',
      });
      expect((await runtime.list()).map((state) => state.id)).not.toContain('broken');
    });
  });

  describe('file systems', () => {
    test('the standard mounts are there, and the node’s are not', async () => {
      const mounts = await run('cat /proc/mounts');
      for (const target of [
        '/',
        '/proc',
        '/dev',
        '/dev/pts',
        '/dev/shm',
        '/dev/mqueue',
        '/sys',
        '/sys/fs/cgroup',
      ]) {
        expect(mounts, target).toMatch(new RegExp(` ${target} `));
      }
      expect(mounts).not.toContain(`${node.base}/state`);
      expect(mounts).toMatch(/ \/sys sysfs ro,/);
    });

    test('devices work, and only the standard ones', async () => {
      expect(
        await run(
          'head -c 3 /dev/zero | wc -c; echo x > /dev/null && echo ok; head -c 4 /dev/urandom | wc -c',
        ),
      ).toBe('3\nok\n4');
      expect(await run('ls /dev')).toBe(
        [
          'fd',
          'full',
          'mqueue',
          'null',
          'ptmx',
          'pts',
          'random',
          'shm',
          'stderr',
          'stdin',
          'stdout',
          'tty',
          'urandom',
          'zero',
        ].join('\n'),
      );
    });

    test('a device node made by the container opens nothing', async () => {
      for (const place of ['/tmp', '/dev', '/dev/shm']) {
        expect(
          await run(`mknod ${place}/disk b 254 0 && head -c 1 ${place}/disk 2>&1 | wc -c; true`),
        ).not.toBe('1');
        expect(await run(`mknod ${place}/zero2 c 1 5; head -c 1 ${place}/zero2 2>&1`)).toContain(
          'ermission denied',
        );
      }
    });

    test('masked paths are empty and read-only ones cannot be written', async () => {
      expect(await run('wc -c < /proc/keys; wc -c < /proc/timer_list; ls /sys/firmware | wc -l')).toBe(
        '0\n0\n0',
      );
      expect(await run('echo 1 > /proc/sys/kernel/panic; true')).toContain('ead-only');
      // The cover is the node's own /dev/null: it must not be within reach.
      const before = (await lstat('/dev/null')).mode;
      await run('chmod 0 /proc/keys; true');
      expect((await lstat('/dev/null')).mode).toBe(before);
    });

    test('a read-only root is read-only, and mounts in it are not', async () => {
      const tmpfs: Mount = {
        type: 'tmpfs',
        source: 'tmpfs',
        target: '/tmp',
        options: ['size=1m', 'mode=1777'],
      };
      const change = { readOnlyRoot: true, mounts: [tmpfs] };
      expect(await run('touch /x 2>&1; touch /tmp/y && echo written', change)).toMatch(
        /ead-only[\s\S]*written/,
      );
    });

    test('volumes are mounted where the spec says, files too, and made read-only on demand', async () => {
      const source = join(node.base, 'volume');
      await mkdir(source, { recursive: true });
      await writeFile(join(source, 'file'), 'from the node');
      const mounts: Mount[] = [
        { type: 'bind', source, target: '/new/deep/volume', options: ['rbind', 'ro'] },
        { type: 'bind', source: join(source, 'file'), target: '/etc/hosts', options: ['bind'] },
      ];
      const output = await run('cat /new/deep/volume/file /etc/hosts; touch /new/deep/volume/x; true', {
        mounts,
      });
      expect(output).toContain('from the nodefrom the node');
      expect(output).toContain('ead-only');
    });

    test('a volume over a link of the image lands inside the root', async () => {
      const source = join(node.base, 'linked');
      const outside = join(node.base, 'outside');
      await mkdir(source, { recursive: true });
      await mkdir(outside, { recursive: true });
      await writeFile(join(source, 'inside'), 'x');
      const root = await node.root();
      const upper = root.options[1]!.split('=')[1]!;
      await symlink(outside, join(upper, 'escape'));
      await symlink(`../../../../../../..${outside}`, join(upper, 'climb'));
      for (const target of ['/escape', '/climb/sub']) {
        const mounts: Mount[] = [{ type: 'bind', source, target, options: [] }];
        expect(await run(`ls ${target}`, { root, mounts }).catch((error) => error.step)).toMatch(
          /inside|mount target/,
        );
      }
      await expect(lstat(join(outside, 'sub'))).rejects.toThrow('ENOENT');
      expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(outside);
    });

    test('a volume’s folder that became a link to the node is not mounted', async () => {
      const volume = join(node.base, 'swapped');
      await mkdir(join(volume, 'real/deep'), { recursive: true });
      await symlink('/etc', join(volume, 'link'));
      const mount = (path: string): Mount[] => [
        { type: 'bind', source: join(volume, path), target: '/data', options: ['rbind', 'nolinks'] },
      ];
      expect(await run('ls /data', { mounts: mount('real') })).toBe('deep');
      for (const path of ['link', 'link/ssl']) {
        const start = runtime.startContainer(pod, await node.spec('link.0', 'true', { mounts: mount(path) }));
        await expect(start, path).rejects.toMatchObject({ code: 'Kernel', step: 'bind mount source' });
      }
    });

    test('a root whose /proc is a link is refused', async () => {
      const root = await node.root();
      const upper = root.options[1]!.split('=')[1]!;
      await symlink('/tmp', join(upper, 'proc'));
      const start = runtime.startContainer(pod, await node.spec('bad.0', 'true', { root }));
      await expect(start).rejects.toMatchObject({ code: 'Kernel', step: 'resolve mount target' });
    });

    test('the working directory is made when missing, and is no way out', async () => {
      expect(await run('pwd', { cwd: '/made/for/me' })).toBe('/made/for/me');
      for (const cwd of ['/proc/self/fd/3', '/proc/self/fd/7', '/proc/self/cwd', '/proc/1/root']) {
        const start = runtime.startContainer(pod, await node.spec('cwd.0', 'pwd', { cwd }));
        await expect(start, cwd).rejects.toMatchObject({ code: 'Kernel' });
      }
    });
  });

  describe('privileges', () => {
    test('a container holds the capabilities of its spec, and none when not root', async () => {
      const status = 'grep -E "Cap|NoNewPrivs|Seccomp:" /proc/self/status';
      const asRoot = await run(status);
      expect(asRoot).toMatch(/CapPrm:\s+00000000a80425fb/);
      expect(asRoot).toMatch(/CapBnd:\s+00000000a80425fb/);
      expect(asRoot).toMatch(/CapInh:\s+0000000000000000/);
      expect(asRoot).toMatch(/CapAmb:\s+0000000000000000/);
      expect(asRoot).toMatch(/Seccomp:\s+2/);
      const asUser = await run(status, { uid: 1000, gid: 1000, noNewPrivileges: true });
      expect(asUser).toMatch(/CapEff:\s+0000000000000000/);
      expect(asUser).toMatch(/NoNewPrivs:\s+1/);
      expect(asUser).toMatch(/Seccomp:\s+2/);
    });

    test('user and groups are the spec’s', async () => {
      expect(await run('id', { uid: 1234, gid: 5678, additionalGids: [9, 10] })).toMatch(
        /^uid=1234 gid=5678 groups=9,10(,5678)?$/,
      );
      expect(await run('echo out > /dev/stdout; touch /nope 2>&1; true', { uid: 1234, gid: 5678 })).toMatch(
        /^out\n.*denied$/,
      );
    });

    test('mounting is refused', async () => {
      expect(await run('mount -t tmpfs none /tmp; echo $?')).toMatch(/[1-9]$/);
    });

    test('a privileged container may do what root may', async () => {
      const change = {
        capabilities: [...CAPABILITIES],
        seccomp: undefined,
        maskedPaths: [],
        readOnlyPaths: [],
      };
      expect(await run('mount -t tmpfs none /tmp && echo mounted', change)).toBe('mounted');
      expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toMatch(/none.*\/tmp .*tmpfs/);
    });

    test('nothing but stdio is open, in the first process and in an exec', async () => {
      const list = 'ls /proc/self/fd';
      expect((await run(list)).split('\n')).toEqual(['0', '1', '2', '3']);
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const streams = await runtime.exec(pod, 'main.0', {
        args: ['ls', '/proc/self/fd'],
        tty: false,
        stdin: false,
      });
      expect(await text(streams.stdout)).toBe('0\n1\n2\n3\n');
    });

    test('an exec is in all namespaces of its container, with its identity', async () => {
      await runtime.startContainer(
        pod,
        await node.spec('main.0', 'exec sleep 600', { uid: 1000, gid: 1000, cwd: '/tmp' }),
      );
      const script =
        'for n in pid mnt net ipc uts cgroup; do test "$(stat -Lc %i /proc/1/ns/$n 2>/dev/null)" = "$(stat -Lc %i /proc/self/ns/$n)" && echo $n; done; id -u; pwd; grep -E "Seccomp:|CapEff" /proc/self/status';
      const streams = await runtime.exec(pod, 'main.0', {
        args: ['sh', '-c', script],
        tty: false,
        stdin: false,
      });
      const output = await text(streams.stdout);
      expect(output).toMatch(/^pid\nmnt\nnet\nipc\nuts\ncgroup\n1000\n\/tmp\n/);
      expect(output).toMatch(/Seccomp:\s+2/);
      expect(output).toMatch(/CapEff:\s+0000000000000000/);
    });

    test('with CAP_SYS_PTRACE the runtime’s program is sealed against writing', async () => {
      await another({ namespaces: { network: 'pod', pid: 'node', ipc: 'pod' } });
      const capabilities = ['CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE'];
      const monitor = await monitorPidOf(runtime, pod);
      const change = {
        capabilities,
        seccomp: defaultSeccomp(capabilities),
        maskedPaths: [],
        readOnlyPaths: [],
      };
      expect(await run(`echo evil 2>&1 > /proc/${monitor}/exe; true`, change)).toMatch(
        /denied|busy|not permitted/,
      );
    });

    test('rlimits and oom_score_adj are set', async () => {
      const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }];
      expect(await run('ulimit -n; cat /proc/self/oom_score_adj', { rlimits, oomScoreAdj: 987 })).toBe(
        '100\n987',
      );
    });
  });
});
