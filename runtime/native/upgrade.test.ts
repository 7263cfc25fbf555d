import { execFileSync } from 'node:child_process';
import { appendFile, copyFile, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { eventually } from '../conformance.ts';
import type { Mount } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { Peer } from './peer.ts';
import { OP, Payload, TAG } from './protocol.ts';
import { withSocketPath } from './sockets.ts';
import { socketOf } from './state.ts';
import { isAlive, monitorPidOf, TestNode, whyNoOci, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`upgrade (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  beforeEach(async () => {
    node = await TestNode.make();
    const bin = join(node.base, 'bin');
    await mkdir(bin);
    for (const name of ['helper', 'monitor', 'unpack'])
      await copyFile(join(node.binDirectory, name), join(bin, name));
    node.binDirectory = bin;
    runtime = await node.open();
  });
  afterEach(async () => {
    await node.close();
  });

  const state = async (id: string) => (await runtime.list()).find((candidate) => candidate.id === id)!;
  const monitorPid = (id: string) => monitorPidOf(runtime, id);

  /** Another build: the same program with bytes behind its end. */
  async function install(...names: string[]): Promise<void> {
    for (const name of names) {
      const path = join(node.binDirectory, name);
      await copyFile(path, `${path}.new`);
      await appendFile(`${path}.new`, 'another build');
      execFileSync('mv', [`${path}.new`, path]);
    }
  }

  async function reopen(): Promise<void> {
    await runtime.close();
    runtime = await node.open();
  }

  /** Asks a monitor to become the program at `path`. */
  async function become(pod: string, path: string): Promise<void> {
    const run = join(node.base, 'run');
    const peer = await withSocketPath(run, socketOf(pod), (socket) => Peer.connect(socket, systemClock));
    try {
      await peer.request(OP.UPGRADE, new Payload().text(TAG.PATH, path));
    } finally {
      peer.close();
    }
  }

  async function helperProgram(): Promise<string> {
    const { pid, program } = await runtime.helper.hello();
    return `/proc/${pid}/fd/${program}`;
  }

  test.skipIf(whyNoOci() !== undefined)('containers that an OCI runtime has made run on too', async () => {
    node.handlerPath = process.env['PATH'];
    await reopen();
    const pod = await node.sandbox(runtime, 'pod', { handler: 'crun', sharedPid: true });
    const script = 'trap "exit 7" TERM; while :; do sleep 0.02; done';
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', script));
    await install('monitor');
    await reopen();
    expect(runtime.upgraded.monitors).toEqual([pod]);
    expect(isAlive(pid)).toBe(true);
    const args = ['sh', '-c', 'echo here; exit 5'];
    const streams = await runtime.exec(pod, 'main.0', { args, tty: false, stdin: false });
    expect([await text(streams.stdout), (await streams.exit).code]).toEqual(['here\n', 5]);
    expect(await runtime.stopContainer(pod, 'main.0', 5000)).toMatchObject({ code: 7 });
    // The pid of the namespace they share has come along.
    await runtime.startContainer(pod, await node.spec('next.0', 'exec sleep 600'));
  });

  test('the same programs: nothing is replaced, also by an agent that comes again', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const [helper, monitor] = [node.helperPid, await monitorPid(pod)];
    await reopen();
    expect(runtime.upgraded).toEqual({ helper: false, monitors: [], kept: [] });
    expect([node.helperPid, await monitorPid(pod)]).toEqual([helper, monitor]);
  });

  test('other programs: helper and monitors are replaced, and containers run on', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const shared = await node.sandbox(runtime, 'shared', { sharedPid: true });
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    await runtime.startContainer(pod, await node.spec('done.0', 'exit 7'));
    await runtime.startContainer(shared, await node.spec('main.0', 'exec sleep 600'));
    await eventually('it exits', async () =>
      (await state(pod)).containers.some((container) => container.state === 'exited'),
    );
    const before = await state(pod);
    const [helper, monitor] = [node.helperPid, await monitorPid(pod)];
    await install('helper', 'monitor');
    await reopen();
    expect(runtime.upgraded).toEqual({
      helper: true,
      monitors: expect.arrayContaining(['pod', 'shared']),
      kept: [],
    });
    expect(node.helperPid).not.toBe(helper);
    expect(await state(pod)).toEqual(before);
    expect(await monitorPid(pod)).toBe(monitor);
    expect(isAlive(pid)).toBe(true);
    const program = await stat(await helperProgram());
    const exe = await stat(`/proc/${monitor}/exe`);
    expect([exe.dev, exe.ino]).toEqual([program.dev, program.ino]);
    expect(await readlink(`/proc/${monitor}/exe`)).toBe('/memfd:gantry-monitor (deleted)');
    // What the new one can: everything.
    for (const id of [pod, shared]) {
      const streams = await runtime.exec(id, 'main.0', { args: ['ps'], tty: false, stdin: false });
      expect(await text(streams.stdout)).toContain('sleep 600');
    }
    expect((await runtime.stopContainer(pod, 'main.0', 0)).code).toBe(137);
    await runtime.startContainer(pod, await node.spec('next.0', 'exit 3'));
    await eventually('it exits', async () =>
      (await state(pod)).containers.some((container) => container.exit?.code === 3),
    );
    await runtime.removeSandbox(pod);
    await runtime.removeSandbox(shared);
    await eventually('the monitor ends', () => !isAlive(monitor));
  });

  test('a monitor that was replaced still starts containers in its user namespace, and on the node’s mounts', async (context) => {
    const { features } = await runtime.info();
    context.skip(!features['userNamespaces'], 'needs idmapped mounts');
    const userNamespace = { hostId: 0x72000000, size: 65_536 };
    const mapped = await node.sandbox(runtime, 'mapped', { userNamespace, sharedPid: true });
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(mapped, await node.spec('main.0', 'exec sleep 600'));
    await install('helper', 'monitor');
    await reopen();
    expect(runtime.upgraded.monitors.toSorted()).toEqual([mapped, pod]);
    expect((await node.run(runtime, mapped, 'id -u; cat /proc/self/uid_map; ps')).output).toMatch(
      new RegExp(`^0\\s+0\\s+${userNamespace.hostId}\\s+65536\\s[^]*sleep 600`),
    );
    const shared = join(node.base, 'shared');
    await mkdir(join(shared, 'mine'), { recursive: true });
    execFileSync('mount', ['--bind', shared, shared]);
    try {
      execFileSync('mount', ['--make-shared', shared]);
      const capabilities = [...CAPABILITIES];
      const mounts: Mount[] = [{ type: 'bind', source: shared, target: '/v', options: ['rbind', 'rshared'] }];
      const change = { capabilities, seccomp: undefined, mounts };
      await node.run(runtime, pod, 'mount -t tmpfs inner /v/mine && echo here > /v/mine/file', change);
      expect(await readFile(join(shared, 'mine/file'), 'utf8')).toBe('here\n');
    } finally {
      execFileSync('umount', ['--recursive', shared]);
    }
  });

  test('sessions, terminals and a log in full flow go on: not a byte is lost or doubled', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const lines = 60_000;
    const counting = `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo line $i; done; printf 'no end'; sleep 600`;
    const flow = await node.spec('flow.0', counting);
    const { pid } = await runtime.startContainer(pod, flow);
    await runtime.startContainer(pod, await node.spec('tty.0', 'exec cat', { tty: true, stdin: 'open' }));
    const attached = await runtime.attach(pod, 'tty.0');
    const exec = await runtime.exec(pod, 'tty.0', { args: ['cat'], tty: false, stdin: true });
    const many = await runtime.exec(pod, 'tty.0', {
      args: ['sh', '-c', counting.replace('; sleep 600', '')],
      tty: false,
      stdin: false,
    });
    const terminal = await runtime.exec(pod, 'tty.0', {
      args: ['sh', '-c', 'read a; stty size; echo "got $a"'],
      tty: true,
      stdin: true,
    });
    const outputs = [exec, attached, many, terminal].map((streams) => text(streams.stdout));
    const stopping = runtime
      .startContainer(pod, await node.spec('deaf.0', 'trap "" TERM; while :; do sleep 1; done'))
      .then(() => runtime.stopContainer(pod, 'deaf.0', 1500));
    exec.stdin!.write('before\n');
    attached.stdin!.write('typed before\n');
    // Connections go on, so the agent stays: the monitor becomes its own program again and again.
    const path = await helperProgram();
    const monitor = await monitorPid(pod);
    const descriptors = async () => (await readdir(`/proc/${monitor}/fd`)).length;
    for (let round = 0; round < 25; round++) {
      await eventually(
        'it can be replaced',
        async () =>
          await become(pod, path).then(
            () => true,
            (error) => {
              if (error.errno !== 16) throw error;
              return false;
            },
          ),
      );
      exec.stdin!.write(`round ${round}\n`);
    }
    terminal.resize({ columns: 91, rows: 17 });
    terminal.stdin!.write('this\n');
    attached.stdin!.write('typed after\n');
    exec.stdin!.end('end\n');
    const written = ['before', ...Array.from({ length: 25 }, (_, round) => `round ${round}`), 'end', ''];
    expect(await outputs[0]).toBe(written.join('\n'));
    expect((await exec.exit).code).toBe(0);
    const counted = Array.from({ length: lines }, (_, index) => `line ${index + 1}`);
    expect((await outputs[2])!.split('\n')).toEqual([...counted, 'no end']);
    const screen = await outputs[3]!;
    expect(screen).toContain('17 91');
    expect(screen).toContain('got this');
    expect(await stopping).toMatchObject({ code: 137, signal: 9 });
    expect(isAlive(pid)).toBe(true);
    await eventually(
      'all is logged',
      async () => (await readFile(flow.logPath, 'utf8')).includes(`line ${lines}\n`),
      20_000,
    );
    const before = await descriptors();
    await become(pod, path);
    await eventually('no descriptor is left behind', async () => (await descriptors()) === before);
    await runtime.stopContainer(pod, 'flow.0', 0);
    const logged = (await readFile(flow.logPath, 'utf8')).trimEnd().split('\n');
    expect(logged.map((line) => line.split(' ').slice(3).join(' '))).toEqual([...counted, 'no end']);
    expect(logged.at(-1)).toContain(' stdout P no end');
    await runtime.stopContainer(pod, 'tty.0', 0);
    const typed = await outputs[1]!;
    for (const line of ['typed before', 'typed after']) expect(typed.split(line)).toHaveLength(3);
  }, 60_000);

  test('a connection into the pod goes on', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(
      pod,
      await node.spec('echo.0', '', { args: ['nc', '-ll', '-p', '7777', '-e', 'cat'] }),
    );
    const relay = await (async () => {
      for (;;) {
        const made = await runtime.dial(pod, 7777).catch(() => undefined);
        if (made) return made;
      }
    })();
    const path = await helperProgram();
    const sent = Array.from({ length: 200 }, (_, index) => `${'x'.repeat(5000)}${index}\n`);
    const received = text(relay);
    for (const [index, chunk] of sent.entries()) {
      relay.write(chunk);
      if (index % 20 === 0) await become(pod, path);
    }
    relay.end();
    expect(await received).toBe(sent.join(''));
  });

  test('a monitor of another state version: what runs stays as it is, and what is new is of the new one', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const old = await stat(`/proc/${await monitorPid(pod)}/exe`);
    const built = join(node.base, 'built');
    const make = ['-s', '-C', join(import.meta.dirname, '../helper'), `BIN=${built}`, `${built}/monitor`];
    execFileSync('make', [...make, 'CC=gcc -DHANDOVER_VERSION=1000']);
    execFileSync('mv', [join(built, 'monitor'), join(node.binDirectory, 'monitor')]);
    await reopen();
    expect(runtime.upgraded).toEqual({
      helper: true,
      monitors: [],
      kept: [{ sandbox: 'pod', reason: expect.stringContaining("it cannot go on from this one's state") }],
    });
    const now = await stat(`/proc/${await monitorPid(pod)}/exe`);
    expect([now.dev, now.ino]).toEqual([old.dev, old.ino]);
    expect(isAlive(pid)).toBe(true);
    const streams = await runtime.exec(pod, 'main.0', { args: ['echo', 'works'], tty: false, stdin: false });
    expect(await text(streams.stdout)).toBe('works\n');
    await runtime.startContainer(
      await node.sandbox(runtime, 'new'),
      await node.spec('main.0', 'exec sleep 600'),
    );
    expect((await stat(`/proc/${await monitorPid('new')}/exe`)).ino).not.toBe(old.ino);
    await runtime.stopContainer(pod, 'main.0', 0);
    // A compiler on a processor that is only imagined (hack/vms) takes its time.
  }, 240_000);

  test('a program that cannot take over is refused, and the old one goes on', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const exec = await runtime.exec(pod, 'main.0', { args: ['cat'], tty: false, stdin: true });
    const monitor = await monitorPid(pod);
    const before = await readdir(`/proc/${monitor}/fd`);
    const refused = async (path: string, step: string) => {
      await expect(become(pod, path)).rejects.toMatchObject({ name: 'Refusal', step });
    };
    await refused('/nonexistent', 'open program');
    await refused('/bin/true', 'open program');
    await refused('x'.repeat(100), 'upgrade');
    // Sealed, but of another mind: a helper whose "monitor" knows no such state.
    const other = await TestNode.make();
    other.binDirectory = join(other.base, 'bin');
    await mkdir(other.binDirectory);
    await copyFile(join(node.binDirectory, 'helper'), join(other.binDirectory, 'helper'));
    await writeFile(join(other.binDirectory, 'monitor'), '#!/bin/sh\nexit 0\n');
    const stranger = await other.open();
    try {
      const { pid: helper, program } = await stranger.helper.hello();
      await refused(`/proc/${helper}/fd/${program}`, 'check program');
    } finally {
      await stranger.close();
      await other.close();
    }
    exec.stdin!.end('still here');
    expect(await text(exec.stdout)).toBe('still here');
    expect(isAlive(pid)).toBe(true);
    await eventually(
      'no descriptor is left',
      async () => (await readdir(`/proc/${monitor}/fd`)).length <= before.length,
    );
    expect((await state(pod)).state).toBe('ready');
  });
});
