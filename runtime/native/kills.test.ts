import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, sandboxSpec } from '../conformance.ts';
import type { ContainerSpec, RuntimeEvent } from '../contract.ts';
import type { NativeRuntime } from './index.ts';
import { killNow, livePod, programsOf, watchSteps } from './kill-steps.ts';
import { calmHoldings, type Holdings } from './leaks.ts';
import { socketOf } from './state.ts';
import { isAlive, TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
const AGENT = join(import.meta.dirname, '../../test/faults/killed-agent.ts');
/** More steps than a pod's life has: each request and each record, before, during and after. */
const STEPS_LIMIT = 120;

describe.skipIf(reason !== undefined)(`killed at every step (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let bystander: number;
  let before: Pick<Holdings, 'mounts' | 'cgroups' | 'files'>;

  beforeEach(async () => {
    node = await TestNode.make();
    runtime = await node.open();
    const other = await node.sandbox(runtime, 'other');
    bystander = (await runtime.startContainer(other, await node.spec('main.0', 'exec sleep 600'))).pid;
    await runtime.removeSandbox(await node.sandbox(runtime, 'pod'));
    before = await remains();
  });
  afterEach(async () => {
    await node.close();
  });

  const run = () => join(node.base, 'run');
  const monitorOf = (id: string) => programsOf(run()).monitors.get(socketOf(id));
  async function remains(): Promise<typeof before> {
    // Processes below a helper that was killed are not below the next one: they are looked for by their arguments.
    const { mounts, cgroups, files } = await calmHoldings({
      base: node.base,
      cgroupRoot: node.cgroupRoot,
      helperPid: programsOf(run()).helper!,
    });
    return { mounts, cgroups, files };
  }
  async function container(): Promise<ContainerSpec> {
    const { seccomp: _, ...spec } = await node.spec('main.0', 'sleep 600 & exec sleep 601');
    return spec;
  }

  /** What is told of the pod is so; and it can be removed, with nothing left of it. */
  async function settle(step: string): Promise<void> {
    await eventually('a helper serves', async () => {
      return (await runtime.helper.hello().catch(() => undefined)) !== undefined;
    });
    const helper = await runtime.helper.hello();
    expect(programsOf(run()).helper, step).toBe(helper.pid);
    const pod = (await runtime.list()).find(({ id }) => id === 'pod');
    if (pod?.state === 'ready') {
      expect(monitorOf('pod'), step).toBeDefined();
      for (const { state, pid } of pod.containers) expect(isAlive(pid), step).toBe(state === 'running');
    } else {
      await eventually('no monitor of it lives', () => monitorOf('pod') === undefined);
      for (const { state, exit } of pod?.containers ?? []) {
        expect(state, step).toBe('exited');
        if (exit?.reason === 'Lost') expect(exit.message, step).toContain('monitor is gone');
      }
    }
    await runtime.removeSandbox('pod');
    await runtime.sweep();
    expect(await runtime.list(), step).toMatchObject([{ id: 'other', state: 'ready' }]);
    expect(await remains(), step).toEqual(before);
    expect([...programsOf(run()).monitors.keys()], step).toEqual([socketOf('other')]);
    expect(isAlive(bystander), step).toBe(true);
  }

  /** Lives the pod's life once for each step, killing at that step; returns the steps. */
  async function killAtEach(kill: () => void): Promise<string[]> {
    const names: string[] = [];
    for (let target = 0; target < STEPS_LIMIT; target++) {
      let count = 0;
      let reached: string | undefined;
      const spec = await container();
      const stop = watchSteps((step) => {
        if (count++ !== target) return;
        reached = step;
        kill();
      });
      const errors: Error[] = [];
      await livePod(runtime, sandboxSpec('pod', node.logDirectory), spec, (error) => errors.push(error));
      stop();
      if (reached === undefined) break;
      names.push(reached);
      const step = `${target}: ${reached}`;
      for (const error of errors) expect(error, step).toMatchObject({ name: 'RuntimeError' });
      await settle(step);
    }
    return names;
  }

  test('the helper', async () => {
    const steps = await killAtEach(() => {
      killNow(programsOf(run()).helper);
    });
    expect(steps.length).toBeGreaterThan(20);
    expect(steps.length).toBeLessThan(STEPS_LIMIT);
  }, 120_000);

  test('the monitor', async () => {
    let killed = 0;
    const steps = await killAtEach(() => {
      if (killNow(monitorOf('pod'))) killed++;
    });
    expect(killed).toBeGreaterThan(10);
    expect(steps.length).toBeLessThan(STEPS_LIMIT);
  }, 120_000);

  test('both at once', async () => {
    await killAtEach(() => {
      const { helper } = programsOf(run());
      for (const pid of [helper, monitorOf('pod')]) killNow(pid);
    });
  }, 120_000);

  test('the agent', async () => {
    const options = {
      stateDirectory: join(node.base, 'state'),
      runDirectory: run(),
      binDirectory: node.binDirectory,
      cgroupRoot: node.cgroupRoot,
    };
    const steps: string[] = [];
    for (let target = 0; target < STEPS_LIMIT; target++) {
      await runtime.close();
      const sandbox = sandboxSpec('pod', node.logDirectory);
      const given = JSON.stringify({ target, options, sandbox, container: await container() });
      const agent = spawnSync(process.execPath, [AGENT, given], { encoding: 'utf8' });
      runtime = await node.open();
      if (agent.signal === null) {
        expect(agent).toMatchObject({ status: 0, stderr: '' });
        break;
      }
      expect(agent.signal).toBe('SIGKILL');
      steps.push(agent.stdout);
      await settle(`${target}: ${agent.stdout}`);
    }
    expect(steps.length).toBeGreaterThan(15);
    expect(steps.length).toBeLessThan(STEPS_LIMIT);
  }, 240_000);

  test('helper and agent together, then the monitor: the next agent finds the loss, and what did not die with it', async () => {
    // On the node's pids nothing of a container dies with its first process but that one.
    const namespaces = { network: 'pod', pid: 'node', ipc: 'pod' } as const;
    const pod = await node.sandbox(runtime, 'pod', { namespaces });
    const spec = await node.spec('main.0', 'sleep 602 & echo $!; exec sleep 601');
    await runtime.startContainer(pod, spec);
    let background = 0;
    await eventually('it says the pid', async () => {
      background = Number((await readFile(spec.logPath, 'utf8')).trim().split(' ')[3]);
      return background > 0;
    });
    await runtime.close();
    const { helper } = programsOf(run());
    process.kill(helper!, 'SIGKILL');
    process.kill(monitorOf('pod')!, 'SIGKILL');
    runtime = await node.open();
    await eventually('the background process is killed too', () => !isAlive(background));
    const lost = (await runtime.list()).find(({ id }) => id === 'pod');
    expect(lost).toMatchObject({ state: 'lost', containers: [{ exit: { reason: 'Lost' } }] });
    await settle('both');
  });

  test('a loss is announced once, also when the helper goes with the monitor', async () => {
    await node.sandbox(runtime, 'pod');
    const events: RuntimeEvent[] = [];
    const controller = new AbortController();
    const watching = runtime.watch(controller.signal);
    const reading = (async () => {
      for await (const event of watching) events.push(event);
    })();
    const { helper } = programsOf(run());
    process.kill(monitorOf('pod')!, 'SIGKILL');
    process.kill(helper!, 'SIGKILL');
    await eventually('it is announced', () => events.length > 0);
    await settle('both');
    controller.abort();
    await reading;
    expect(events).toMatchObject([{ type: 'lost', sandbox: 'pod' }]);
  });
});
