import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import type { NativeRuntime } from './index.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
/** `<time> <stream> F|P <text>` */
const LINE = /^\d{4}-\d\d-\d\dT[\d:.]+Z (stdout|stderr) ([FP]) (.*)$/s;

describe.skipIf(reason !== undefined)(`logs (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfSuite((made, opened) => {
    [node, runtime] = [made, opened];
  });

  const ended = (pod: string) =>
    eventually('it ends', async () => {
      const state = (await runtime.list()).find(({ id }) => id === pod);
      return state?.containers[0]?.exit !== undefined;
    });

  test('a full disk loses lines, but neither the container nor what comes when there is room again', async () => {
    const disk = join(node.base, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    try {
      const pod = await node.sandbox(runtime, 'full');
      await writeFile(join(disk, 'filler'), Buffer.alloc(40_000));
      const line = 'x'.repeat(99);
      const script = `read go; i=0; while [ $i -lt 800 ]; do echo ${line}; i=$((i+1)); done; read go; echo room; echo again`;
      const spec = await node.spec('main.0', script, { stdin: 'open', logPath: join(disk, 'log') });
      await runtime.startContainer(pod, spec);
      const streams = await runtime.attach(pod, 'main.0');
      let taken = 0;
      streams.stdout.on('data', (chunk: Buffer) => {
        taken += chunk.length;
      });
      streams.stdin!.write('go\n');
      await eventually('all its output was taken', () => taken === 800 * 100);
      expect((await readFile(spec.logPath)).length).toBeGreaterThan(15_000);
      await rm(join(disk, 'filler'));
      streams.stdin!.write('go\n');
      await ended(pod);
      const lines = (await readFile(spec.logPath, 'utf8')).trimEnd().split('\n');
      expect(lines.slice(-2).map((text) => LINE.exec(text)?.[3])).toEqual(['room', 'again']);
      // One line may have been cut; every other one is whole.
      const broken = lines.filter((text) => ![line, 'room', 'again'].includes(LINE.exec(text)?.[3] ?? ''));
      expect(broken.length).toBeLessThanOrEqual(1);
      expect(lines.length).toBeLessThan(802);
    } finally {
      await runtime.removeSandbox('full');
      execFileSync('umount', [disk]);
    }
  });

  test('who is attached and does not read holds nobody up, and is let go', async () => {
    const pod = await node.sandbox(runtime, 'slow');
    const spec = await node.spec(
      'main.0',
      'read go; dd if=/dev/zero bs=64k count=128 2>/dev/null; echo; echo over',
      {
        stdin: 'open',
      },
    );
    await runtime.startContainer(pod, spec);
    const streams = await runtime.attach(pod, 'main.0');
    // Paused from the start: nothing takes what the monitor sends.
    streams.stdout.pause();
    streams.stdin!.write('go\n');
    await ended(pod);
    const log = await readFile(spec.logPath);
    expect(log.length).toBeGreaterThan(8 << 20);
    expect(log.subarray(-200).toString()).toMatch(/ stdout F over\n$/);
    streams.close();
    await runtime.removeSandbox(pod);
  });

  test('bytes of any value come into the log as they were written', async () => {
    const pod = await node.sandbox(runtime, 'binary');
    const spec = await node.spec('main.0', 'printf "\\000\\377\\200a\\rb\\tc\\n"; printf "\\303"');
    await runtime.startContainer(pod, spec);
    await ended(pod);
    const log = (await readFile(spec.logPath)).toString('latin1').trimEnd().split('\n');
    expect(log.map((text) => LINE.exec(text)?.slice(2))).toEqual([
      ['F', '\0\xff\x80a\rb\tc'],
      ['P', '\xc3'],
    ]);
    await runtime.removeSandbox(pod);
  });
});
