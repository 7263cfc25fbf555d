import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import { probeCgroups } from './cgroup.ts';
import type { NativeRuntime } from './index.ts';
import { calmHoldings, holdings } from './leaks.ts';
import { isAlive, monitorPidOf, TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`exhaustion (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let bystander: number;
  const undo: (() => Promise<void> | void)[] = [];

  beforeEach(async () => {
    node = await TestNode.make();
    runtime = await node.open();
  });
  /** Another pod, that must not notice anything. */
  async function begin(): Promise<Awaited<ReturnType<typeof holdings>>> {
    const other = await node.sandbox(runtime, 'other');
    bystander = (await runtime.startContainer(other, await node.spec('main.0', 'exec sleep 600'))).pid;
    await runtime.removeSandbox(await node.sandbox(runtime, 'first'));
    await eventually('its monitor ends', async () => {
      return (await calm()).processes.filter((name) => name === 'gantry-monitor').length === 1;
    });
    return await calm();
  }
  /** What there is once every program has been executed: until then processes have other names. */
  async function calm(): Promise<Awaited<ReturnType<typeof holdings>>> {
    let seen = await calmHoldings(node);
    await eventually('all programs run', async () => {
      seen = await calmHoldings(node);
      return seen.processes.every((name) => ['gantry-monitor', 'sleep'].includes(name));
    });
    return seen;
  }
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
    expect(isAlive(bystander)).toBe(true);
    const other = await runtime.exec('other', 'main.0', { args: ['echo', 'here'], tty: false, stdin: false });
    expect(await text(other.stdout)).toBe('here\n');
    await node.close();
  });

  const monitorPid = (id: string) => monitorPidOf(runtime, id);
  const nothingLeft = async (before: Awaited<ReturnType<typeof holdings>>) => {
    await eventually(
      'nothing is left',
      async () => JSON.stringify(await holdings(node)) === JSON.stringify(before),
    ).catch(async () => expect(await holdings(node)).toEqual(before));
  };

  /** A small file system over a directory, full to the last byte or inode. */
  async function small(path: string, options: string): Promise<string> {
    await mkdir(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'small', path]);
    undo.push(() => void execFileSync('umount', ['--lazy', path]));
    return path;
  }
  async function fill(directory: string): Promise<() => Promise<void>> {
    const file = join(directory, 'filler');
    await writeFile(file, Buffer.alloc(16 << 20)).catch((error) => {
      if (error.code !== 'ENOSPC') throw error;
    });
    return () => rm(file, { force: true });
  }
  function limit(pid: number, name: string, value: number): void {
    const before = execFileSync(
      'prlimit',
      ['--pid', String(pid), `--${name}`, '--noheadings', '-o', 'SOFT'],
      {
        encoding: 'utf8',
      },
    ).trim();
    const set = (soft: string) => execFileSync('prlimit', ['--pid', String(pid), `--${name}=${soft}:`]);
    set(String(value));
    undo.push(() => void set(before));
  }
  /** Puts a process into a group of its own where it cannot have children. */
  async function childless(pid: number): Promise<() => Promise<void>> {
    const { controllers } = await probeCgroups();
    const pids = controllers.get('pids')!;
    const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).split('\n').map((line) => line.split(':'));
    const home = join(pids, lines.find(([, names]) => names === 'pids' || names === '')![2]!);
    const group = join(pids, `${node.cgroupRoot}-childless`);
    await mkdir(group);
    await writeFile(join(group, 'pids.max'), '1');
    await writeFile(join(group, 'cgroup.procs'), String(pid));
    let done = false;
    const release = async () => {
      if (done) return;
      done = true;
      await writeFile(join(home, 'cgroup.procs'), String(pid)).catch((error) => {
        if (isAlive(pid)) throw error;
      });
      await eventually('it is empty', () =>
        rmdir(group).then(
          () => true,
          () => false,
        ),
      );
    };
    undo.push(release);
    return release;
  }

  test.each(['space', 'inodes'])(
    'no %s for records: a sandbox is refused, and nothing of it stays',
    async (what) => {
      const sandboxes = await small(join(node.base, 'state/sandboxes'), 'size=256k');
      const before = await begin();
      let release: () => Promise<void> | void = await fill(sandboxes);
      if (what === 'inodes') {
        await release();
        const { files, ffree } = await statfs(sandboxes);
        execFileSync('mount', ['-o', `remount,nr_inodes=${files - ffree + 2}`, sandboxes]);
        release = () => void execFileSync('mount', ['-o', 'remount,nr_inodes=1000', sandboxes]);
      }
      await expect(node.sandbox(runtime, 'full')).rejects.toMatchObject({
        name: 'RuntimeError',
        code: 'Kernel',
        step: 'write record',
      });
      expect((await runtime.list()).map(({ id }) => id)).toEqual(['other']);
      await release();
      await nothingLeft(before);
      expect(await node.sandbox(runtime, 'full')).toBe('full');
    },
  );

  test('no space for the record of a container: it is refused, and may be tried again', async () => {
    const sandboxes = await small(join(node.base, 'state/sandboxes'), 'size=256k');
    await begin();
    const pod = await node.sandbox(runtime, 'pod');
    const before = await calm();
    const release = await fill(sandboxes);
    const spec = await node.spec('main.0', 'exec sleep 600');
    await expect(runtime.startContainer(pod, spec)).rejects.toMatchObject({
      code: 'Kernel',
      step: 'write record',
    });
    await release();
    await nothingLeft(before);
    expect((await runtime.startContainer(pod, spec)).state).toBe('running');
  });

  test('no space for logs: output is lost, the container runs on, and what comes later is there', async () => {
    const logs = await small(join(node.base, 'small-logs'), 'size=16k');
    await begin();
    const pod = await node.sandbox(runtime, 'pod');
    const spec = await node.spec(
      'main.0',
      'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i; done; read go; echo after',
      {
        stdin: 'open',
      },
    );
    spec.logPath = join(logs, 'main.log');
    await runtime.startContainer(pod, spec);
    const attached = await runtime.attach(pod, 'main.0');
    await eventually('it is full', async () => (await readFile(spec.logPath, 'utf8')).includes('line 100\n'));
    const release = await fill(logs);
    await release();
    execFileSync('mount', ['-o', 'remount,size=1m', logs]);
    attached.stdin!.write('go\n');
    expect((await attached.exit).code).toBe(0);
    await eventually('it goes on', async () => (await readFile(spec.logPath, 'utf8')).endsWith(' F after\n'));
    for (const line of (await readFile(spec.logPath, 'utf8')).trimEnd().split('\n').slice(-1))
      expect(line).toMatch(/^\d{4}-\S+Z stdout F after$/);
  });

  test('no inode for the log: the start is refused and undone', async () => {
    const logs = await small(join(node.base, 'small-logs'), 'nr_inodes=1');
    const before = await begin();
    const pod = await node.sandbox(runtime, 'pod');
    const spec = await node.spec('main.0', 'exec sleep 600');
    spec.logPath = join(logs, 'main.log');
    await expect(runtime.startContainer(pod, spec)).rejects.toMatchObject({
      code: 'Kernel',
      step: 'open log',
    });
    spec.logPath = join(logs, 'deeper/main.log');
    await expect(runtime.startContainer(pod, spec)).rejects.toMatchObject({
      code: 'Kernel',
      step: 'make log directory',
    });
    await runtime.removeSandbox(pod);
    await nothingLeft(before);
  });

  test('no space in the writable layer: the start is refused and undone', async () => {
    const disk = await small(join(node.base, 'small-upper'), 'nr_inodes=5');
    await begin();
    const pod = await node.sandbox(runtime, 'pod');
    const before = await calm();
    await mkdir(join(disk, 'fs'));
    await mkdir(join(disk, 'work'));
    const spec = await node.spec('main.0', 'exec sleep 600');
    spec.root = {
      ...spec.root,
      options: [spec.root.options[0]!, `upperdir=${disk}/fs`, `workdir=${disk}/work`],
    };
    spec.mounts = [0, 1, 2, 3].map((index) => ({
      type: 'tmpfs',
      source: 'tmpfs',
      target: `/new/${index}`,
      options: [],
    }));
    await expect(runtime.startContainer(pod, spec)).rejects.toMatchObject({
      name: 'RuntimeError',
      code: 'Kernel',
    });
    await nothingLeft(before);
  });

  test('no pids for the helper: a sandbox is refused', async () => {
    const before = await begin();
    // The spare would do: a pod of another kind needs a monitor of its own.
    const change = { namespaces: { network: 'node', pid: 'pod', ipc: 'pod' } } as const;
    const release = await childless(node.helperPid);
    await expect(node.sandbox(runtime, 'pod', change)).rejects.toMatchObject({
      code: 'Kernel',
      step: 'fork monitor',
    });
    await release();
    await nothingLeft(before);
    expect(await node.sandbox(runtime, 'pod', change)).toBe('pod');
  });

  test('no pids for the monitor: containers and execs are refused', async () => {
    await begin();
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const before = await calm();
    const release = await childless(await monitorPid(pod));
    const spec = await node.spec('second.0', 'exec sleep 600');
    const add = () => runtime.exec(pod, 'main.0', { args: ['true'], tty: false, stdin: false });
    // Made inside its own group a process counts there alone: the monitor's limit is no hindrance.
    if ((await runtime.info()).cgroup !== 'v2') {
      await expect(runtime.startContainer(pod, spec)).rejects.toMatchObject({
        code: 'Kernel',
        step: 'clone',
      });
      await expect(add()).rejects.toMatchObject({ code: 'Kernel', step: 'clone' });
      await nothingLeft(before);
    }
    await release();
    expect((await runtime.startContainer(pod, spec)).state).toBe('running');
    expect((await (await add()).exit).code).toBe(0);
  });

  test('no descriptors for the helper: a sandbox is refused at whatever step, and undone', async () => {
    const before = await begin();
    const change = { namespaces: { network: 'node', pid: 'pod', ipc: 'pod' } } as const;
    const open = before.helperDescriptors.length + 2;
    const steps = new Set<string>();
    for (let more = 0; more < 6; more++) {
      limit(node.helperPid, 'nofile', open + more);
      const made = await node.sandbox(runtime, 'pod', change).catch((error) => error);
      undo.pop()!();
      if (made !== 'pod') {
        expect(made).toMatchObject({
          name: 'RuntimeError',
          code: expect.stringMatching(/^(Kernel|Unavailable)$/),
        });
        steps.add(made.message);
      } else await runtime.removeSandbox('pod');
      await nothingLeft(before);
    }
    expect(steps.size).toBeGreaterThan(1);
  });

  test('no descriptors for the monitor: starts and execs are refused at whatever step, and it does not spin', async () => {
    await begin();
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const pid = await monitorPid(pod);
    const before = await calm();
    const used = async () => {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ');
      return Number(fields[13]) + Number(fields[14]);
    };
    const open = execFileSync('ls', [`/proc/${pid}/fd`], { encoding: 'utf8' })
      .trim()
      .split('\n').length;
    const steps = new Set<string>();
    for (let more = 0; more < 9; more++) {
      limit(pid, 'nofile', open + more);
      const spec = await node.spec('second.0', 'exec sleep 600');
      const started = await runtime.startContainer(pod, spec).catch((error) => error);
      const ticks = await used();
      undo.pop()!();
      expect(await used()).toBeLessThan(ticks + 100);
      if (started.name === 'RuntimeError') steps.add(started.step);
      else {
        expect(started.state).toBe('running');
        await runtime.removeContainer(pod, 'second.0');
      }
      await nothingLeft(before);
    }
    expect(steps.size).toBeGreaterThan(1);
    // Whoever knocks meanwhile waits, and is let in later.
    limit(pid, 'nofile', 3);
    const exec = runtime.exec(pod, 'main.0', { args: ['echo', 'late'], tty: false, stdin: false });
    const ticks = await used();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await used()).toBeLessThan(ticks + 10);
    undo.pop()!();
    expect(await text((await exec).stdout)).toBe('late\n');
  });

  test('no memory for the helper: a request is refused or cut off, and it serves on', async () => {
    const before = await begin();
    const size = Number((await readFile(`/proc/${node.helperPid}/statm`, 'utf8')).split(' ')[0]) * 4096;
    const request = new Uint8Array(8 << 20);
    limit(node.helperPid, 'as', size + (1 << 20));
    await expect(runtime.helper.exchange({ protocol: 0, request })).rejects.toMatchObject({
      name: 'RuntimeError',
    });
    undo.pop()!();
    expect((await runtime.helper.hello()).pid).toBe(node.helperPid);
    await nothingLeft(before);
  });
});
