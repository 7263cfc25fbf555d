import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { ContainerSpec, Mount, SandboxSpec } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READ_ONLY_PATHS } from './default-paths.ts';
import type { NativeRuntime } from './index.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

/** Unused on every machine; see conformance.ts. Apart from what other test files take. */
const FIRST_ID = 0x71000000;
const SIZE = 65_536;
const ALL = { capabilities: [...CAPABILITIES], seccomp: undefined };
/** As `procMount: Unmasked` has it. */
const UNMASKED = { ...ALL, maskedPaths: [], readOnlyPaths: [] };

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`user namespaces (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let why: string | undefined;
  let pod: string;
  let hostId: number;
  let pods = 0;

  nodeOfSuite(async (made, opened) => {
    [node, runtime] = [made, opened];
    const { features } = await runtime.info();
    if (!features['userNamespaces']) why = 'the kernel has no idmapped layers';
  });
  beforeEach(async (context) => {
    context.skip(why !== undefined, why);
    await another({});
  });

  const another = async (change: Partial<SandboxSpec>) => {
    hostId = FIRST_ID + pods * SIZE;
    const userNamespace = { hostId, size: SIZE };
    pod = await node.sandbox(runtime, `pod-${pods++}`, { userNamespace, ...change });
  };
  const run = async (script: string, change: Partial<ContainerSpec> = {}) =>
    (await node.run(runtime, pod, script, change)).output;
  const exec = async (id: string, script: string, tty = false) => {
    const streams = await runtime.exec(pod, id, { args: ['sh', '-c', script], tty, stdin: false });
    return (await text(streams.stdout)).trim();
  };
  const bind = (source: string, target: string, ...options: string[]): Mount => {
    return { type: 'bind', source, target, options: ['rbind', ...options] };
  };
  const volume = async (name: string) => {
    const path = join(node.base, `${name}-${pods}`);
    await mkdir(path);
    await chmod(path, 0o755);
    return path;
  };

  describe('a pod’s root', () => {
    test('is nobody on the node, and root in the pod', async () => {
      const state = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const status = await readFile(`/proc/${state.pid}/status`, 'utf8');
      expect(status).toMatch(new RegExp(`^Uid:\\s${hostId}\\s${hostId}\\s${hostId}\\s${hostId}$`, 'm'));
      expect(status).toMatch(new RegExp(`^Gid:\\s${hostId}\\s`, 'm'));
      expect(await exec('main.0', 'id -u; cat /proc/self/uid_map')).toMatch(
        new RegExp(`^0\\s+0\\s+${hostId}\\s+${SIZE}$`),
      );
      expect(await run('id', { uid: 1234, gid: 5678, additionalGids: [9] })).toMatch(
        /^uid=1234 gid=5678 groups=9/,
      );
    });

    test('owns its root file system and what it makes there, and nothing on the disk is chowned', async () => {
      const root = await node.root();
      const upper = root.options[1]!.split('=')[1]!;
      const script =
        'stat -c %u:%g / /bin/busybox /dev /etc/passwd; mkdir /made; chown 12:13 /made; echo x > /etc/passwd';
      expect(await run(script, { root })).toBe('0:0\n0:0\n0:0\n0:0');
      expect(await lstat(join(upper, 'etc/passwd'))).toMatchObject({ uid: 0, gid: 0 });
      expect(await lstat(join(upper, 'made'))).toMatchObject({ uid: 12, gid: 13 });
    });

    test('removes and renames files of the image', async () => {
      expect(
        await run('rm /bin/wc && mv /etc/passwd /etc/moved && ls /bin/wc /etc/passwd 2>/dev/null; ls /etc'),
      ).toBe('moved');
    });

    test('writes volumes as the node’s root would, and read-only ones not', async () => {
      const rw = await volume('rw');
      const ro = await volume('ro');
      await writeFile(join(ro, 'secret'), 'secret', { mode: 0o600 });
      const mounts = [bind(rw, '/rw'), bind(ro, '/ro', 'ro'), bind(join(ro, 'secret'), '/etc/secret', 'ro')];
      const script = 'cat /ro/secret /etc/secret; echo mine > /rw/file; chown 7 /rw/file; touch /ro/x 2>&1';
      expect(await run(script, { mounts })).toMatch(/^secretsecret.*ead-only/);
      expect(await lstat(join(rw, 'file'))).toMatchObject({ uid: 7, gid: 0 });
    });

    test('has no power over files whose owner is not in the pod', async () => {
      const path = await volume('foreign');
      await writeFile(join(path, 'foreign'), 'foreign', { mode: 0o600 });
      await chown(join(path, 'foreign'), 200_000, 200_000);
      const script =
        'stat -c %u /v/foreign; cat /v/foreign; echo x > /v/foreign; chown 0 /v/foreign; chmod 666 /v/foreign; rm -f /v/x; true';
      expect(await run(script, { ...UNMASKED, mounts: [bind(path, '/v')] })).toMatch(
        /^65534\n(.*(denied|not permitted|too large).*\n?){4}/,
      );
      expect(await readFile(join(path, 'foreign'), 'utf8')).toBe('foreign');
      expect((await lstat(join(path, 'foreign'))).mode & 0o777).toBe(0o600);
    });

    test('is not the root of another pod: their files, their processes', async () => {
      const path = await volume('shared');
      await chmod(path, 0o777);
      const first = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const firstId = hostId;
      await another({});
      const second = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      expect((await stat(`/proc/${first.pid}`)).uid).toBe(firstId);
      expect((await stat(`/proc/${second.pid}`)).uid).toBe(firstId + SIZE);
      // As the second pod's root outside of all its other namespaces: only the user decides.
      const tried = execFileSync('nsenter', [
        '--user',

        `--target=${second.pid}`,
        'sh',
        '-c',
        `kill -0 ${first.pid} 2>&1; ls /proc/${first.pid}/root/ 2>&1; true`,
      ]).toString();
      expect(tried).toMatch(/not permitted[\s\S]*denied/);
    });
  });

  describe('all capabilities', () => {
    test('are over the pod’s network and host name, and not over the node’s', async () => {
      const before = await readFile('/proc/sys/kernel/hostname', 'utf8');
      const script = `hostname changed && hostname; ifconfig lo down && cat /sys/class/net/lo/flags; ifconfig lo up`;
      const root = await withApplet('ifconfig');
      expect(await run(script, { ...UNMASKED, root })).toBe('changed\n0x8');
      expect(await readFile('/proc/sys/kernel/hostname', 'utf8')).toBe(before);
      for (const attempt of [
        'echo 1 > /proc/sys/kernel/panic',
        'echo b > /proc/sysrq-trigger',
        'echo x > /proc/sys/kernel/core_pattern',
        'echo -1000 > /proc/1/oom_score_adj',
        'adjtimex -t 10001',
        'mount -t ext4 /dev/vda /tmp',
        'chroot /proc/1/root true && dmesg',
      ]) {
        const output = await run(`( ${attempt} ) 2>/dev/null; echo status $?`, {
          ...UNMASKED,
          root: await withApplet('adjtimex', 'dmesg'),
        });
        expect(output, attempt).toMatch(/status [1-9][0-9]*$/);
      }
    });

    test('make no device', async () => {
      for (const place of ['/tmp', '/dev', '/dev/shm'])
        expect(
          await run(`mknod ${place}/disk b 254 0 2>&1; mknod ${place}/zero2 c 1 5 2>&1; true`, UNMASKED),
        ).toMatch(/not permitted[\s\S]*not permitted/);
      const mount = 'mount -t tmpfs t /tmp && mknod /tmp/zero c 1 5';
      expect(await run(`${mount} 2>&1; true`, UNMASKED)).toMatch(/not permitted/);
    });

    test('take no mask and no read-only mount away', async () => {
      const path = await volume('locked');
      const change = {
        ...ALL,
        maskedPaths: [...DEFAULT_MASKED_PATHS],
        readOnlyPaths: [...DEFAULT_READ_ONLY_PATHS],
        mounts: [bind(path, '/ro', 'ro')],
      };
      const script = `mount -t tmpfs own /tmp && echo own
umount /proc/keys 2>/dev/null && echo unmasked
umount /proc/sys 2>/dev/null && echo writable proc
mount -o remount,rw,bind /proc/sys 2>/dev/null && echo remounted proc
umount /ro 2>/dev/null && echo unmounted
mount -o remount,rw,bind /ro 2>/dev/null && echo remounted
mount -o remount,dev,bind /dev/shm 2>/dev/null && echo devices
touch /ro/x 2>/dev/null && echo written; true`;
      expect(await run(script, change)).toBe('own');
    });

    test('procMount Unmasked: /proc is whole, and a nested one can be mounted', async () => {
      expect(
        await run(
          'mkdir /inner && mount -t proc proc /inner && ls /inner/self > /dev/null && echo nested',
          UNMASKED,
        ),
      ).toBe('nested');
      expect(await run('wc -l < /proc/timer_list; cat /proc/sys/kernel/hostname', UNMASKED)).toContain(pod);
    });
  });

  describe('the rest of a pod', () => {
    test('namespaces belong to the pod’s user namespace, and containers share what they should', async () => {
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const links = 'for n in user net ipc uts pid mnt cgroup; do stat -c %N /proc/self/ns/$n; done';
      const first = (await exec('main.0', links)).split('\n');
      const second = (await run(links)).split('\n');
      expect(first.slice(0, 4)).toEqual(second.slice(0, 4));
      for (const index of [4, 5, 6]) expect(second[index]).not.toBe(first[index]);
    });

    test('/dev/shm and message queues are the pod’s, sized', async () => {
      const script =
        'stat -c %u:%a /dev/shm; grep " /dev/shm " /proc/mounts; echo x > /dev/shm/x && echo shm; touch /dev/mqueue/q && echo queue';
      const output = await run(script);
      expect(output).toMatch(/^0:1777\n.*size=65536k.*\nshm\nqueue$/s);
    });

    test('sysctls of the pod are set', async () => {
      const sysctls = {
        'net.ipv4.ip_local_port_range': '20000 30000',
        'kernel.shm_rmid_forced': '1',
        'kernel.msgmax': '9000',
        'fs.mqueue.msg_max': '20',
      };
      await another({ sysctls });
      const script =
        'cd /proc/sys; cat net/ipv4/ip_local_port_range kernel/shm_rmid_forced kernel/msgmax fs/mqueue/msg_max';
      expect(await run(script)).toMatch(/^20000\s+30000\n1\n9000\n20$/);
    });

    test('terminals work, in the first process and in an exec', async () => {
      const tty = { tty: true };
      expect(await run('tty; stat -c %u $(tty); stat -c %g $(tty); echo hello > /dev/console', tty)).toMatch(
        /\/dev\/pts\/0\s+0\s+5\s+hello/,
      );
      await runtime.startContainer(
        pod,
        await node.spec('user.0', 'exec sleep 600', { uid: 1000, gid: 1000 }),
      );
      expect(await exec('user.0', 'id -u; tty; stat -c %u $(tty); echo again > $(tty)', true)).toMatch(
        /^1000\s+\/dev\/pts\/0\s+1000\s+again$/,
      );
    });

    test('an exec is what its container is', async () => {
      await runtime.startContainer(
        pod,
        await node.spec('main.0', 'exec sleep 600', { uid: 1000, gid: 1000, cwd: '/tmp' }),
      );
      const script =
        'for n in user pid mnt net ipc uts cgroup; do test "$(stat -Lc %i /proc/1/ns/$n)" = "$(stat -Lc %i /proc/self/ns/$n)" && echo $n; done; id -u; pwd; grep -E "Seccomp:|CapEff" /proc/self/status; ls /proc/self/fd';
      const output = await exec('main.0', script);
      expect(output).toMatch(/^user\npid\nmnt\nnet\nipc\nuts\ncgroup\n1000\n\/tmp\n/);
      expect(output).toMatch(/CapEff:\s+0000000000000000\nSeccomp:\s+2\n0\n1\n2\n3$/);
    });

    test('a user that is not root reopens its output', async () => {
      expect(await run('echo out > /dev/stdout; touch /nope 2>&1; true', { uid: 1000, gid: 1000 })).toMatch(
        /^out\n.*denied$/,
      );
    });

    test('a shared pid namespace is the pod’s own', async () => {
      await another({ sharedPid: true });
      await runtime.startContainer(pod, await node.spec('sleeper.0', 'exec sleep 600'));
      expect(await run('test $$ -ne 1 && ps -o args')).toContain('sleep 600');
      const script = 'grep CapPrm /proc/1/status; kill -9 1 2>&1; ls /proc/1/root/ 2>&1; ls /proc/1/fd; true';
      const output = await run(script, UNMASKED);
      expect(output).toMatch(/CapPrm:\s+0000000000000000/);
      expect(output).not.toContain('bin');
      await runtime.stopContainer(pod, 'sleeper.0', 100);
    });

    test('a read-only root, a mount point that is missing, and a stop by signal', async () => {
      const path = await volume('deep');
      const change = { readOnlyRoot: true, mounts: [bind(path, '/new/deep/volume')] };
      expect(await run('touch /x 2>&1; touch /new/deep/volume/y && echo written', change)).toMatch(
        /ead-only[\s\S]*written/,
      );
      await runtime.startContainer(
        pod,
        await node.spec('obedient.0', 'trap "exit 7" TERM; touch /ready; while :; do sleep 0.05; done'),
      );
      await eventually(
        'it listens',
        async () => (await exec('obedient.0', 'ls /ready 2>/dev/null')) === '/ready',
      );
      expect(await runtime.stopContainer(pod, 'obedient.0', 5000)).toMatchObject({ code: 7 });
    });

    test('the node sees its processes, ports and use', async () => {
      const nc = await node.spec('echo.0', 'exec nc -ll -p 8080 -e cat');
      const { pid } = await runtime.startContainer(pod, nc);
      expect((await runtime.stats(pod, 'echo.0')).pids).toBeGreaterThan(0);
      const state = (await runtime.list()).find(({ id }) => id === pod)!;
      expect((await stat(state.networkNamespace)).ino).toBe((await stat(`/proc/${pid}/ns/net`)).ino);
      let answer = '';
      await eventually('the port answers', async () => {
        const socket = await runtime.dial(pod, 8080).catch(() => undefined);
        if (!socket) return false;
        socket.end('ping');
        answer = await text(socket);
        return true;
      });
      expect(answer).toBe('ping');
    });
  });

  describe('what cannot be', () => {
    test('a volume on a file system without owners to move is refused, and nothing is left', async () => {
      const mounts = [bind('/proc/sys', '/v')];
      const start = runtime.startContainer(pod, await node.spec('proc.0', 'true', { mounts }));
      await expect(start).rejects.toMatchObject({
        code: 'Unsupported',
        step: 'idmap mount',
        message: expect.stringContaining('/proc/sys'),
      });
      expect((await runtime.list()).find(({ id }) => id === pod)!.containers).toEqual([]);
    });

    test('Bidirectional propagation is refused', async () => {
      const mounts = [bind('/tmp', '/v', 'rshared')];
      const start = runtime.startContainer(pod, await node.spec('both.0', 'true', { mounts }));
      await expect(start).rejects.toMatchObject({ code: 'Unsupported' });
    });

    test('a program that is missing is said to be, and its start again works', async () => {
      const spec = await node.spec('bad.0', 'true', { args: ['/no/such'] });
      await expect(runtime.startContainer(pod, spec)).rejects.toMatchObject({
        code: 'CannotRun',
        exitCode: 127,
      });
      await runtime.startContainer(pod, { ...spec, args: ['true'] });
    });
  });

  /** A root in which busybox has these names too. */
  async function withApplet(...names: string[]): Promise<Mount> {
    const root = await node.root();
    const upper = root.options[1]!.split('=')[1]!;
    await mkdir(join(upper, 'bin'));
    for (const name of names) execFileSync('ln', ['-s', 'busybox', join(upper, 'bin', name)]);
    return root;
  }
});
