import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { NativeRuntime } from '#runtime/native/index.ts';
import { lifecycles } from '#runtime/native/lifecycles.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from '#runtime/native/test-root.ts';

const reason = whyNoRoot();
/** A busy node's day. */
const TOTAL = 10_000;
const WIDTH = 4;
const MIB = 1024;
const HELPER_SLACK_KB = 256;
/** What the kernel gives back late, and what the rest of the machine does meanwhile: 10,000 leaks of 16 kB are more. */
const MEMORY_SLACK_KB = 160 * MIB;
const DISK_SLACK_KB = 256;

/** Memory that nothing but a restart of what holds it would give back: reclaimable caches count as available. */
function usedKb(): number {
  const meminfo = readFileSync('/proc/meminfo', 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(meminfo)![1]);
  return of('MemTotal') - of('MemAvailable');
}

function diskKb(directory: string): number {
  return Number(execFileSync('du', ['-sk', directory], { encoding: 'utf8' }).split('\t')[0]);
}

describe.skipIf(reason !== undefined)(`the runtime over time (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfSuite((made, opened) => {
    [node, runtime] = [made, opened];
  });

  test(`${TOTAL} pods leave no descriptor, mount, group, process, file, memory or disk`, async () => {
    // Slabs of namespaces and mounts are filled once and kept by the kernel.
    await lifecycles(node, runtime, 1000, WIDTH);
    const [memoryBefore, diskBefore, began] = [usedKb(), diskKb(node.base), performance.now()];
    const { before, after, helperKb } = await lifecycles(node, runtime, TOTAL, WIDTH);
    const seconds = (performance.now() - began) / 1000;
    const memory = usedKb() - memoryBefore;
    console.log(
      `${TOTAL} lifecycles in ${seconds.toFixed(0)} s (${(TOTAL / seconds).toFixed(0)}/s); helper ${helperKb.before} -> ${helperKb.after} kB; memory of the machine ${memory >= 0 ? '+' : ''}${(memory / MIB).toFixed(1)} MiB`,
    );
    expect(after).toEqual(before);
    expect(helperKb.after - helperKb.before).toBeLessThan(HELPER_SLACK_KB);
    expect(memory).toBeLessThan(MEMORY_SLACK_KB);
    expect(diskKb(node.base) - diskBefore).toBeLessThan(DISK_SLACK_KB);
  });
});
