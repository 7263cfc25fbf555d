import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { RuntimeEvent } from '../contract.ts';
import { probeCgroups } from './cgroup.ts';
import type { NativeRuntime } from './index.ts';
import { holdings } from './leaks.ts';
import { isAlive, monitorPidOf, nodeOfTest, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`survival (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfTest((made, opened) => {
    [node, runtime] = [made, opened];
  });

  const state = async (id: string) => (await runtime.list()).find((candidate) => candidate.id === id)!;
  const monitorPid = (id: string) => monitorPidOf(runtime, id);

  async function replaceHelper(): Promise<void> {
    const { pid } = await runtime.helper.hello();
    process.kill(pid, 'SIGKILL');
    await eventually('another helper serves', async () => {
      const now = await runtime.helper.hello().catch(() => undefined);
      return now !== undefined && now.pid !== pid;
    });
  }

  test('a killed helper is replaced; containers run on and can be used', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    await replaceHelper();
    expect(isAlive(pid)).toBe(true);
    const streams = await runtime.exec(pod, 'main.0', { args: ['echo', 'alive'], tty: false, stdin: false });
    expect(await text(streams.stdout)).toBe('alive\n');
    await node.sandbox(runtime, 'later');
    expect((await runtime.list()).map((sandbox) => sandbox.state)).toEqual(['ready', 'ready']);
  });

  test('a monitor killed under a new helper has its containers killed all the same', async () => {
    // Containers that share the pod's pids do not die with a pid namespace of their own.
    const pod = await node.sandbox(runtime, 'pod', { sharedPid: true });
    const { pid } = await runtime.startContainer(
      pod,
      await node.spec('main.0', 'sleep 600 & exec sleep 601'),
    );
    await replaceHelper();
    process.kill(await monitorPid(pod), 'SIGKILL');
    await eventually('the container is gone', () => !isAlive(pid));
    await eventually('it is lost', async () => (await state(pod)).state === 'lost');
  });

  test('a monitor killed while no agent watches: the next agent finds it lost, with what had exited before', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('done.0', 'exit 7'));
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    await eventually('it exits', async () => (await state(pod)).containers[0]!.state === 'exited');
    const record = join(node.base, 'state/sandboxes/pod/containers/done.0.exit');
    await eventually('it is recorded', async () => (await readFile(record, 'utf8').catch(() => '')) !== '');
    const monitor = await monitorPid(pod);
    await runtime.close();
    process.kill(monitor, 'SIGKILL');
    await eventually('the container is gone', () => !isAlive(pid));
    runtime = await node.open();
    const lost = await state(pod);
    expect(lost.state).toBe('lost');
    expect(lost.containers).toMatchObject([
      { id: 'done.0', exit: { code: 7, reason: 'Error' } },
      { id: 'main.0', exit: { reason: 'Lost' } },
    ]);
  });

  test('an exit while no agent watches is there when one comes back', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('main.0', 'sleep 0.05; exit 9'));
    await runtime.close();
    runtime = await node.open();
    await eventually('it has exited', async () => (await state(pod)).containers[0]!.state === 'exited');
    expect((await state(pod)).containers[0]!.exit).toMatchObject({ code: 9 });
  });

  test('a sandbox whose creation was cut off is found and removed', async () => {
    await runtime.close();
    const directory = join(node.base, 'state/sandboxes');
    await mkdir(join(directory, 'damaged'), { recursive: true });
    await writeFile(join(directory, 'damaged/sandbox.json'), '{"version":1,"spe');
    runtime = await node.open();
    expect(await runtime.list()).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
  });

  test('everything a pod made is gone after it, whatever happened to it', async () => {
    const { controllers } = await probeCgroups();
    // The QoS parents are the instance's, not the pod's.
    await runtime.removeSandbox(await node.sandbox(runtime, 'first'));
    await eventually('its monitor ends', async () => (await holdings(node)).processes.length === 0);
    const before = await holdings(node);
    for (const [index, sharedPid] of [false, true, false].entries()) {
      const pod = await node.sandbox(runtime, `pod-${index}`, { sharedPid });
      await runtime.startContainer(pod, await node.spec('main.0', 'sleep 600 & sleep 601 & wait'));
      await runtime.startContainer(
        pod,
        await node.spec('tty.0', 'exec sleep 600', { tty: true, stdin: 'open' }),
      );
      await expect(
        runtime.startContainer(pod, await node.spec('bad.0', '', { args: ['nosuch'] })),
      ).rejects.toThrow();
      const streams = await runtime.exec(pod, 'main.0', { args: ['sleep', '600'], tty: true, stdin: true });
      const attached = await runtime.attach(pod, 'tty.0');
      await node.run(runtime, pod, 'exit 3');
      if (index === 2) process.kill(await monitorPid(pod), 'SIGKILL');
      await runtime.removeSandbox(pod);
      await Promise.all([streams.exit, attached.exit]);
    }
    expect(controllers.has('memory')).toBe(true);
    await eventually(
      'nothing is left',
      async () => JSON.stringify(await holdings(node)) === JSON.stringify(before),
    ).catch(async () => expect(await holdings(node)).toEqual(before));
  });

  test('the leak check catches what is left: a group, a process, a file', async () => {
    const before = await holdings(node);
    const pod = await node.sandbox(runtime, 'planted');
    const after = await holdings(node);
    expect(after.cgroups).not.toEqual(before.cgroups);
    expect(after.processes).not.toEqual(before.processes);
    expect(after.helperDescriptors).not.toEqual(before.helperDescriptors);
    expect(after.files).not.toEqual(before.files);
    await runtime.removeSandbox(pod);
    const planted = join(node.base, 'state/planted');
    await writeFile(planted, '');
    expect((await holdings(node)).files).not.toEqual(before.files);
    await rm(planted);
  });

  test('a monitor holds no more descriptors after a hundred execs', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const pid = await monitorPid(pod);
    const count = async () => (await readdir(`/proc/${pid}/fd`)).length;
    const before = await count();
    for (let round = 0; round < 25; round++) {
      await Promise.all(
        [0, 1, 2, 3].map(async (index) => {
          const args = index === 3 ? ['nosuch'] : ['true'];
          const streams = await runtime
            .exec(pod, 'main.0', { args, tty: index === 2, stdin: index === 1 })
            .catch(() => undefined);
          await streams?.exit;
        }),
      );
    }
    await eventually('all are closed', async () => (await count()) === before);
    expect((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(/\s+/)).toHaveLength(1);
  });

  test('a dead sandbox and a live one: the loss of one is announced once', async () => {
    const [dead, live] = [await node.sandbox(runtime, 'dead'), await node.sandbox(runtime, 'live')];
    const events: RuntimeEvent[] = [];
    const controller = new AbortController();
    const watching = runtime.watch(controller.signal);
    void (async () => {
      for await (const event of watching) events.push(event);
    })();
    process.kill(await monitorPid(dead), 'SIGKILL');
    await eventually('the loss is announced', () => events.length > 0);
    await runtime.removeSandbox(dead);
    await runtime.removeSandbox(live);
    expect(events).toMatchObject([{ type: 'lost', sandbox: 'dead' }]);
    controller.abort();
  });
});
