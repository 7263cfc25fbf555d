import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { NativeRuntime } from './index.ts';
import { holdings } from './leaks.ts';
import { monitorPidOf, nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
const EXECS = 10_000;
const AT_A_TIME = 24;
/** 16 s here; ten times as long in a machine that is only imagined. */
const LIMIT_MS = 600_000;

describe.skipIf(reason !== undefined)(`many execs (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfSuite((made, opened) => {
    [node, runtime] = [made, opened];
  });

  test(
    `${EXECS} leave no process, descriptor, group or memory behind`,
    async () => {
      const pod = await node.sandbox(runtime, 'pod');
      await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
      const monitor = await monitorPidOf(runtime, pod);
      const rssKb = async () =>
        Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${monitor}/status`, 'utf8'))![1]);
      const held = async () => ({
        ...(await holdings({ base: node.base, cgroupRoot: node.cgroupRoot, helperPid: node.helperPid })),
        monitorDescriptors: (await readdir(`/proc/${monitor}/fd`)).length,
        inContainer: (await runtime.stats(pod, 'main.0')).pids,
      });
      const one = async (index: number) => {
        const args = index % 2 ? ['true'] : ['false'];
        const streams = await runtime.exec(pod, 'main.0', { args, tty: index % 50 === 0, stdin: false });
        streams.stdout.resume();
        streams.stderr.resume();
        expect((await streams.exit).code).toBe(index % 2 ? 0 : 1);
      };
      const run = async (count: number) => {
        let next = 0;
        const worker = async () => {
          while (next < count) await one(next++);
        };
        await Promise.all(Array.from({ length: AT_A_TIME }, worker));
      };
      // What the first ones leave is what is kept for the next: buffers, an open spare.
      await run(4 * AT_A_TIME);
      const settled = async () => JSON.stringify(await held());
      let before = await settled();
      await eventually('it settles', async () => {
        const last = before;
        before = await settled();
        return before === last;
      });
      const memory = await rssKb();
      await run(EXECS);
      await eventually('nothing is left', async () => (await settled()) === before);
      expect(await rssKb()).toBeLessThan(memory + 256);
    },
    LIMIT_MS,
  );
});
