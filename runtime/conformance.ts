import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import type { ContainerSpec, Mount, Runtime, RuntimeEvent, SandboxSpec } from './contract.ts';

/** What a runtime brings to be tested. */
export interface RuntimeHarness {
  /** A runtime over the same node each time, as an agent that starts again. */
  open(): Promise<Runtime>;
  /** A root with the programs of BASIC_PROGRAMS (busybox) and those of CONFORMANCE_SCRIPTS in /bin. */
  root(): Promise<Mount>;
  /** A directory for logs. */
  logDirectory: string;
  /** By which handler sandboxes are run; left out = the runtime's own. */
  handler?: string;
  readLog(path: string): Promise<string>;
  moveLog(from: string, to: string): Promise<void>;
  killMonitor(runtime: Runtime, sandbox: string): Promise<void>;
  /** Starts something on that port of the sandbox's loopback that sends back what it gets. */
  serveEcho(runtime: Runtime, sandbox: string, port: number): Promise<void>;
  close(): Promise<void>;
}

/** Programs a real root needs besides busybox; fake/programs.ts has the same. */
export const CONFORMANCE_SCRIPTS: Record<string, string> = {
  stubborn: '#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 0.05; done\n',
  obedient: '#!/bin/sh\ntrap "exit 0" TERM\nwhile :; do sleep 0.05; done\n',
};

export function sandboxSpec(id: string, logDirectory: string): SandboxSpec {
  return {
    id,
    hostname: id,
    namespaces: { network: 'pod', pid: 'pod', ipc: 'pod' },
    sharedPid: false,
    labels: { 'io.kubernetes.pod.name': id },
    cgroupParent: 'kubepods/burstable',
    resources: {},
    sysctls: {},
    logDirectory,
  };
}

export function containerSpec(id: string, root: Mount, logPath: string, args: string[]): ContainerSpec {
  return {
    id,
    labels: { 'io.kubernetes.container.name': id },
    root,
    readOnlyRoot: false,
    mounts: [],
    args,
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'GREETING=hello'],
    cwd: '/',
    uid: 0,
    gid: 0,
    additionalGids: [],
    capabilities: [],
    noNewPrivileges: false,
    maskedPaths: [],
    readOnlyPaths: [],
    rlimits: [],
    oomScoreAdj: 1000,
    resources: {},
    tty: false,
    stdin: 'none',
    logPath,
  };
}

/** Nobody's on any machine. Source: systemd, "Users, Groups, UIDs and GIDs on systemd Systems": 0x70000000 is unused. */
const FIRST_ID = 0x70000000;

/** Waits, bounded, for something that becomes true on its own. */
export async function eventually(
  what: string,
  check: () => Promise<boolean> | boolean,
  limitMs = 8000,
): Promise<void> {
  const end = systemClock.monotonic() + limitMs;
  while (!(await check())) {
    if (systemClock.monotonic() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(systemClock, 5);
  }
}

/** Collects events until `stop`. */
function record(runtime: Runtime): { events: RuntimeEvent[]; stop(): void } {
  const controller = new AbortController();
  const events: RuntimeEvent[] = [];
  const reading = runtime.watch(controller.signal);
  void (async () => {
    for await (const event of reading) events.push(event);
  })();
  return { events, stop: () => controller.abort() };
}

/** The cases every runtime passes. */
export function runtimeConformance(name: string, makeHarness: () => Promise<RuntimeHarness>): void {
  describe(`${name} keeps the runtime contract`, () => {
    let harness: RuntimeHarness;
    let runtime: Runtime;
    let count = 0;

    beforeEach(async () => {
      harness = await makeHarness();
      runtime = await harness.open();
    });
    afterEach(async () => {
      const last = await harness.open();
      for (const sandbox of await last.list()) await last.removeSandbox(sandbox.id);
      expect(await last.list()).toEqual([]);
      await last.close();
      await runtime.close();
      await harness.close();
    });

    const podSpec = (id: string): SandboxSpec => ({
      ...sandboxSpec(id, harness.logDirectory),
      ...(harness.handler && { handler: harness.handler }),
    });
    async function sandbox(): Promise<string> {
      const id = `pod-${++count}`;
      await runtime.createSandbox(podSpec(id));
      return id;
    }
    async function spec(id: string, ...args: string[]): Promise<ContainerSpec> {
      return containerSpec(id, await harness.root(), `${harness.logDirectory}/${id}-${++count}.log`, args);
    }
    async function exitOf(pod: string, id: string) {
      let exit = await found(pod, id);
      await eventually(`${id} exits`, async () => {
        exit = await found(pod, id);
        return exit?.state === 'exited';
      });
      return exit!.exit!;
    }
    async function found(pod: string, id: string) {
      const state = (await runtime.list()).find((candidate) => candidate.id === pod);
      return state?.containers.find((candidate) => candidate.id === id);
    }

    describe('sandboxes', () => {
      test('are listed with their labels until removed, and removing twice is harmless', async () => {
        const id = await sandbox();
        const [state] = await runtime.list();
        expect(state).toMatchObject({
          id,
          state: 'ready',
          labels: { 'io.kubernetes.pod.name': id },
          containers: [],
        });
        expect(state!.networkNamespace).not.toBe('');
        await runtime.removeSandbox(id);
        await runtime.removeSandbox(id);
        expect(await runtime.list()).toEqual([]);
      });

      test('created again are the same', async () => {
        const made = await runtime.createSandbox(podSpec('twice'));
        const again = await runtime.createSandbox(podSpec('twice'));
        expect(again).toEqual(made);
      });

      test('with names that lead elsewhere are refused', async () => {
        for (const id of ['../up', '', 'Upper', 'a/b', 'x'.repeat(64)]) {
          const refused = runtime.createSandbox(sandboxSpec(id, harness.logDirectory));
          await expect(refused, id).rejects.toMatchObject({ code: 'InvalidSpec' });
        }
      });
    });

    test('handlers are those of info, and a sandbox of another one is refused', async () => {
      const { handlers } = await runtime.info();
      expect(handlers.map(({ name }) => name)).toEqual(expect.arrayContaining(['', harness.handler ?? '']));
      const refused = runtime.createSandbox({ ...podSpec('other'), handler: 'nosuch' });
      await expect(refused).rejects.toMatchObject({
        code: 'Unsupported',
        message: 'failed to get sandbox runtime: no runtime for "nosuch" is configured',
      });
      expect(await runtime.list()).toEqual([]);
    });

    describe('user namespaces', () => {
      const range = (hostId: number, size = 65_536) => ({ userNamespace: { hostId, size } });
      const create = (id: string, change: Partial<SandboxSpec>) =>
        runtime.createSandbox({ ...sandboxSpec(id, harness.logDirectory), ...change });
      beforeEach(async (context) => {
        const { features } = await runtime.info();
        context.skip(harness.handler !== undefined || !features['userNamespaces'], 'not offered');
      });

      test('are listed, also to an agent that comes back', async () => {
        await create('mapped', range(FIRST_ID));
        await runtime.close();
        runtime = await harness.open();
        const state = (await runtime.list()).find(({ id }) => id === 'mapped');
        expect(state).toMatchObject({ state: 'ready', ...range(FIRST_ID) });
      });

      test('never have ids of another, also of two made at once', async () => {
        const both = [create('one', range(FIRST_ID)), create('two', range(FIRST_ID + 65_535))];
        const results = await Promise.allSettled(both);
        expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
        const refused = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
        expect(refused.reason).toMatchObject({ code: 'InvalidSpec' });
        await create('next', range(FIRST_ID + 2 * 65_536));
        for (const id of ['one', 'two']) await runtime.removeSandbox(id);
        await create('again', range(FIRST_ID));
      });

      test('of the node, or with namespaces of the node, are refused', async () => {
        const ofNode = { namespaces: { network: 'node', pid: 'pod', ipc: 'pod' } } as const;
        for (const spec of [
          range(0),
          range(-1),
          range(FIRST_ID, 0),
          range(2 ** 31),
          { ...range(FIRST_ID), ...ofNode },
        ])
          await expect(create('bad', spec)).rejects.toMatchObject({ code: 'InvalidSpec' });
      });

      test('hold the users of their containers', async () => {
        await create('mapped', range(FIRST_ID));
        const spec = containerSpec('user.0', await harness.root(), `${harness.logDirectory}/user.log`, [
          'true',
        ]);
        for (const change of [{ uid: 65_536 }, { gid: 65_536 }, { additionalGids: [70_000] }])
          await expect(runtime.startContainer('mapped', { ...spec, ...change })).rejects.toMatchObject({
            code: 'InvalidSpec',
          });
        await runtime.startContainer('mapped', { ...spec, uid: 65_535 });
      });
    });

    describe('containers', () => {
      test('run to their end and say how they ended', async () => {
        const pod = await sandbox();
        const watch = record(runtime);
        const state = await runtime.startContainer(pod, await spec('main.0', 'true'));
        expect(state).toMatchObject({ id: 'main.0', labels: { 'io.kubernetes.container.name': 'main.0' } });
        expect(await exitOf(pod, 'main.0')).toMatchObject({ code: 0, reason: 'Completed' });
        await eventually('the exit is announced', () => watch.events.length > 0);
        expect(watch.events).toMatchObject([
          { type: 'exited', sandbox: pod, container: 'main.0', exit: { code: 0 } },
        ]);
        watch.stop();
      });

      test('report their exit code', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'sh', '-c', 'exit 3'));
        expect(await exitOf(pod, 'main.0')).toMatchObject({ code: 3, reason: 'Error' });
      });

      test('that cannot run leave nothing behind', async () => {
        const pod = await sandbox();
        const start = runtime.startContainer(pod, await spec('main.0', 'nosuch'));
        await expect(start).rejects.toMatchObject({
          code: 'CannotRun',
          exitCode: 127,
          message: 'exec: "nosuch": executable file not found in $PATH',
        });
        expect(await found(pod, 'main.0')).toBeUndefined();
        await runtime.startContainer(pod, await spec('main.0', 'true'));
      });

      test('started again are the same', async () => {
        const pod = await sandbox();
        const container = await spec('main.0', 'sleep', '600');
        const first = await runtime.startContainer(pod, container);
        expect(await runtime.startContainer(pod, container)).toEqual(first);
      });

      test('need a sandbox and a sound spec', async () => {
        const pod = await sandbox();
        await expect(runtime.startContainer('absent', await spec('a', 'true'))).rejects.toMatchObject({
          code: 'NotFound',
        });
        await expect(runtime.startContainer(pod, await spec('../a', 'true'))).rejects.toMatchObject({
          code: 'InvalidSpec',
        });
        await expect(runtime.startContainer(pod, await spec('a'))).rejects.toMatchObject({
          code: 'InvalidSpec',
        });
      });

      test('do not name as their AppArmor profile what is none, or more than one', async () => {
        const pod = await sandbox();
        for (const appArmorProfile of [
          '',
          'unconfined',
          ' unconfined',
          '&web',
          'a//&b',
          ':root:web',
          'a\nb',
        ]) {
          const named = { ...(await spec('a', 'true')), appArmorProfile };
          await expect(runtime.startContainer(pod, named), appArmorProfile).rejects.toMatchObject({
            code: 'InvalidSpec',
          });
        }
      });

      test('write lines to their log', async () => {
        const pod = await sandbox();
        const container = await spec('main.0', 'echo', 'one', 'line');
        await runtime.startContainer(pod, container);
        await exitOf(pod, 'main.0');
        expect(await harness.readLog(container.logPath)).toMatch(
          /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F one line\n$/,
        );
      });

      test('removed while running are gone', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'sleep', '600'));
        await runtime.removeContainer(pod, 'main.0');
        await runtime.removeContainer(pod, 'main.0');
        expect(await found(pod, 'main.0')).toBeUndefined();
      });
    });

    describe('stopping', () => {
      test('lets a program end by itself', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'obedient'));
        // A shell that has not reached its trap yet ignores the signal, being pid 1: ask again until it obeys.
        let exit = await runtime.stopContainer(pod, 'main.0', 200);
        for (let attempt = 1; exit.code !== 0 && attempt < 5; attempt++) {
          await runtime.removeContainer(pod, 'main.0');
          await runtime.startContainer(pod, await spec('main.0', 'obedient'));
          await sleep(systemClock, 100 * attempt);
          exit = await runtime.stopContainer(pod, 'main.0', 5000);
        }
        expect(exit).toMatchObject({ code: 0, reason: 'Completed' });
      });

      test('kills after the grace period', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'stubborn'));
        expect(await runtime.stopContainer(pod, 'main.0', 50)).toMatchObject({
          code: 137,
          signal: 9,
          reason: 'Error',
        });
      });

      test('an exited one says how it had exited', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'false'));
        await exitOf(pod, 'main.0');
        expect(await runtime.stopContainer(pod, 'main.0', 1000)).toMatchObject({ code: 1 });
      });

      test('what is not there is NotFound', async () => {
        const pod = await sandbox();
        await expect(runtime.stopContainer(pod, 'absent', 0)).rejects.toMatchObject({ code: 'NotFound' });
      });
    });

    describe('exec', () => {
      async function running() {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'sleep', '600'));
        return pod;
      }

      test('gives output and exit code', async () => {
        const pod = await running();
        const command = { args: ['sh', '-c', 'echo out; exit 4'], tty: false, stdin: false };
        const streams = await runtime.exec(pod, 'main.0', command);
        expect(await text(streams.stdout)).toBe('out\n');
        expect(await streams.exit).toMatchObject({ code: 4, reason: 'Error' });
      });

      test("has the container's environment and its own", async () => {
        const pod = await running();
        const streams = await runtime.exec(pod, 'main.0', {
          args: ['env'],
          env: ['EXTRA=1'],
          tty: false,
          stdin: false,
        });
        const output = await text(streams.stdout);
        expect(output).toContain('GREETING=hello\n');
        expect(output).toContain('EXTRA=1\n');
      });

      test('passes stdin on and its end', async () => {
        const pod = await running();
        const streams = await runtime.exec(pod, 'main.0', { args: ['cat'], tty: false, stdin: true });
        const big = 'x'.repeat(300_000);
        streams.stdin!.end(big);
        expect(await text(streams.stdout)).toBe(big);
        expect(await streams.exit).toMatchObject({ code: 0 });
      });

      test('closed, kills its process', async () => {
        const pod = await running();
        const streams = await runtime.exec(pod, 'main.0', {
          args: ['sleep', '600'],
          tty: false,
          stdin: false,
        });
        streams.close();
        expect(await streams.exit).toMatchObject({ code: 137 });
      });

      test('of what does not exist is refused', async () => {
        const pod = await running();
        const command = { args: ['nosuch'], tty: false, stdin: false };
        await expect(runtime.exec(pod, 'main.0', command)).rejects.toMatchObject({
          code: 'CannotRun',
          exitCode: 127,
        });
        await expect(runtime.exec(pod, 'absent', command)).rejects.toMatchObject({ code: 'NotFound' });
      });
    });

    test('attach sees output, feeds stdin and lets go without harm', async () => {
      const pod = await sandbox();
      const container: ContainerSpec = { ...(await spec('main.0', 'cat')), stdin: 'open' };
      await runtime.startContainer(pod, container);
      const streams = await runtime.attach(pod, 'main.0');
      streams.stdin!.write('over\n');
      const chunk = await new Promise<string>((resolve) => {
        streams.stdout.once('data', (data) => resolve(String(data)));
      });
      expect(chunk).toBe('over\n');
      streams.close();
      expect(await found(pod, 'main.0')).toMatchObject({ state: 'running' });
    });

    test('a log that was moved away goes on in a new file, and an open line is not cut', async () => {
      const pod = await sandbox();
      const container: ContainerSpec = { ...(await spec('main.0', 'cat')), stdin: 'open' };
      await runtime.startContainer(pod, container);
      const log = () => harness.readLog(container.logPath);
      const streams = await runtime.attach(pod, 'main.0');
      streams.stdin!.write('one\ntwo ');
      await eventually('the first line is there', async () => (await log()).includes('F one'));
      await harness.moveLog(container.logPath, `${container.logPath}.1`);
      await runtime.reopenLog(pod, 'main.0');
      streams.stdin!.write('halves\n');
      await eventually('the second line is there', async () => (await log()).includes('F two halves'));
      expect(await log()).not.toContain('one');
      expect(await harness.readLog(`${container.logPath}.1`)).toMatch(/^\S+ stdout F one\n$/);
      streams.close();
      await runtime.stopContainer(pod, 'main.0', 0);
      await expect(runtime.reopenLog(pod, 'main.0')).rejects.toMatchObject({ code: 'NotFound' });
      await expect(runtime.reopenLog(pod, 'absent.0')).rejects.toMatchObject({ code: 'NotFound' });
    });

    test('dial reaches a port on the loopback of the sandbox', async () => {
      const pod = await sandbox();
      await harness.serveEcho(runtime, pod, 8080);
      const stream = await runtime.dial(pod, 8080);
      stream.end('ping');
      expect(await text(stream)).toBe('ping');
      await expect(runtime.dial(pod, 9)).rejects.toMatchObject({ code: 'Kernel', step: 'connect' });
      await expect(runtime.dial('absent', 9)).rejects.toMatchObject({ code: 'NotFound' });
    });

    test('stats count what runs', async () => {
      const pod = await sandbox();
      await runtime.startContainer(pod, await spec('main.0', 'sleep', '600'));
      const stats = await runtime.stats(pod, 'main.0');
      expect(stats.pids).toBeGreaterThanOrEqual(1);
      expect(stats.memoryBytes).toBeGreaterThan(0);
    });

    describe('changing what runs', () => {
      async function running() {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'sleep', '600'));
        return pod;
      }

      test('takes new limits of a container, a pod and a parent, and no bad ones', async () => {
        const pod = await running();
        await runtime.updateResources(pod, undefined, { memoryBytes: 256 << 20, cpuShares: 512 });
        await runtime.updateResources(pod, 'main.0', { memoryBytes: 128 << 20, cpuShares: 256 });
        await runtime.updateResources(pod, 'main.0', { memoryBytes: -1 });
        await runtime.updateParent('kubepods/burstable', { cpuShares: 2048 });
        expect(await found(pod, 'main.0')).toMatchObject({ state: 'running' });
        const update = (id: string, container: string | undefined, cpuShares: number) =>
          runtime.updateResources(id, container, { cpuShares });
        await expect(update('absent', undefined, 2)).rejects.toMatchObject({ code: 'NotFound' });
        await expect(update(pod, 'absent', 2)).rejects.toMatchObject({ code: 'NotFound' });
        await expect(update(pod, 'main.0', -5)).rejects.toMatchObject({ code: 'InvalidSpec' });
        await expect(runtime.updateParent('../up', {})).rejects.toMatchObject({ code: 'InvalidSpec' });
      });

      test('pauses a container, in which nothing begins until it is resumed', async () => {
        const pod = await running();
        await runtime.pause(pod, 'main.0');
        expect(await found(pod, 'main.0')).toMatchObject({ state: 'running', paused: true });
        const command = { args: ['true'], tty: false, stdin: false };
        await expect(runtime.exec(pod, 'main.0', command)).rejects.toMatchObject({ code: 'Busy' });
        await runtime.close();
        runtime = await harness.open();
        expect(await found(pod, 'main.0')).toMatchObject({ paused: true });
        await runtime.resume(pod, 'main.0');
        await runtime.resume(pod, 'main.0');
        expect((await found(pod, 'main.0'))!.paused).toBeUndefined();
        const streams = await runtime.exec(pod, 'main.0', command);
        expect(await streams.exit).toMatchObject({ code: 0 });
        await expect(runtime.pause(pod, 'absent')).rejects.toMatchObject({ code: 'NotFound' });
      });

      test('a paused container can be stopped, and a pod with one removed', async () => {
        const pod = await running();
        await runtime.startContainer(pod, await spec('other.0', 'sleep', '600'));
        await runtime.pause(pod, 'main.0');
        await runtime.pause(pod, 'other.0');
        expect(await runtime.stopContainer(pod, 'main.0', 0)).toMatchObject({ code: 137 });
        await expect(runtime.pause(pod, 'main.0')).rejects.toMatchObject({ code: 'NotFound' });
        await runtime.removeSandbox(pod);
        expect(await runtime.list()).toEqual([]);
      });
    });

    describe('surviving', () => {
      test('an agent that comes back finds everything as it was, and hears of what ends', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'sleep', '600'));
        await runtime.startContainer(pod, await spec('done.0', 'sh', '-c', 'exit 5'));
        await exitOf(pod, 'done.0');
        const before = await runtime.list();
        await runtime.close();
        runtime = await harness.open();
        expect(await runtime.list()).toEqual(before);
        const watch = record(runtime);
        await runtime.stopContainer(pod, 'main.0', 0);
        await eventually('the exit is announced', () => watch.events.length > 0);
        expect(watch.events).toMatchObject([{ type: 'exited', sandbox: pod, container: 'main.0' }]);
        watch.stop();
      });

      test('a sandbox whose monitor is killed is lost, said so, and can be removed', async () => {
        const pod = await sandbox();
        await runtime.startContainer(pod, await spec('main.0', 'sleep', '600'));
        const watch = record(runtime);
        await harness.killMonitor(runtime, pod);
        await eventually('the loss is announced', () => watch.events.some((event) => event.type === 'lost'));
        expect(await runtime.list()).toMatchObject([{ id: pod, state: 'lost' }]);
        expect((await runtime.list())[0]!.containers).toMatchObject([
          { id: 'main.0', exit: { reason: 'Lost' } },
        ]);
        const start = runtime.startContainer(pod, await spec('other.0', 'true'));
        await expect(start).rejects.toMatchObject({ code: 'Unavailable' });
        await runtime.removeSandbox(pod);
        expect(await runtime.list()).toEqual([]);
        watch.stop();
      });
    });
  });
}
