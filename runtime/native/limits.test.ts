import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ContainerSpec, Resources, RuntimeEvent } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import { type CgroupLayout, probeCgroups } from './cgroup.ts';
import type { Controller } from './cgroup-layout.ts';
import type { NativeRuntime } from './index.ts';
import { holdings } from './leaks.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
const MIB = 1 << 20;

/** What the kernel of this machine makes of the limits; the plans themselves: cgroup.test.ts. */
describe.skipIf(reason !== undefined)(`limits (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let layout: CgroupLayout;
  let features: Record<string, boolean>;
  let pod: string;
  let pods = 0;

  nodeOfSuite(async (made, opened) => {
    [node, runtime] = [made, opened];
    layout = await probeCgroups();
    ({ features } = await runtime.info());
  });
  beforeEach(async () => {
    pod = await node.sandbox(runtime, `pod-${pods++}`);
  });

  /** Groups and records of sandboxes; a spare monitor comes and goes by itself. */
  const held = async () => {
    const { cgroups, files } = await holdings(node);
    return { cgroups, files: files.filter((file) => file.includes('/state/')) };
  };
  const start = async (change: Partial<ContainerSpec>, script = 'exec sleep 600') =>
    await runtime.startContainer(pod, await node.spec('main.0', script, change));
  const limited = (resources: Resources) => start({ resources });
  const v2 = () => layout.inUnified.has('memory');
  /** A file of the container's group. */
  const file = async (controller: Controller, name: string) =>
    (
      await readFile(
        join(
          layout.controllers.get(controller)!,
          node.cgroupRoot,
          `kubepods/burstable/pod${pod}/main.0`,
          name,
        ),
        'utf8',
      )
    ).trim();

  test('of cpu burst, cpusets and I/O are where the kernel reads them', async () => {
    const disk = (await readFile('/proc/partitions', 'utf8')).match(/^\s+(\d+)\s+(\d+)\s+\d+\s+[a-z]+$/m);
    await limited({
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 100_000,
      cpuBurstUs: 10_000,
      ...(features['cpusets'] && { cpusetCpus: '0' }),
      ...(disk && {
        ioLimits: [{ major: Number(disk[1]), minor: Number(disk[2]), readBytes: 50 * MIB }],
      }),
    });
    expect(await file('cpu', v2() ? 'cpu.max.burst' : 'cpu.cfs_burst_us')).toBe('10000');
    if (features['cpusets']) {
      expect(await file('cpuset', 'cpuset.cpus')).toBe('0');
      const { pid } = (await runtime.list()).find(({ id }) => id === pod)!.containers[0]!;
      expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Cpus_allowed_list:\s+0$/m);
    }
    if (disk) {
      const text = await file('blkio', v2() ? 'io.max' : 'blkio.throttle.read_bps_device');
      expect(text).toContain(String(50 * MIB));
    }
  });

  test('of swap are taken together with memory', async () => {
    if (!features['swapLimits']) return;
    await limited({ memoryBytes: 32 * MIB, swapBytes: 0 });
    if (v2()) expect(await file('memory', 'memory.swap.max')).toBe('0');
    else expect(await file('memory', 'memory.memsw.limit_in_bytes')).toBe(String(32 * MIB));
  });

  test('that the kernel refuses are told by their file, and everything made is undone', async () => {
    const used = pod;
    const before = await held();
    pod = await node.sandbox(runtime, 'refused');
    await expect(limited({ cpusetCpus: '0-4095' })).rejects.toMatchObject({
      code: 'InvalidSpec',
      message: expect.stringContaining('cpuset.cpus'),
    });
    await expect(limited({ ioLimits: [{ major: 4000, minor: 1, readBytes: 1 }] })).rejects.toMatchObject({
      code: 'Unsupported',
    });
    await expect(limited({ memoryBytes: Number.NaN })).rejects.toMatchObject({ code: 'InvalidSpec' });
    await expect(limited({ cpusetCpus: '0;1' })).rejects.toMatchObject({ code: 'InvalidSpec' });
    await expect(node.sandbox(runtime, 'broken', { resources: { pids: -2 } })).rejects.toMatchObject({
      code: 'InvalidSpec',
    });
    await limited({ pids: 5 });
    await runtime.removeSandbox(pod);
    await expect.poll(held).toEqual(before);
    expect((await runtime.list()).map(({ id }) => id)).toContain(used);
  });

  test('a pod that may have no more groups starts nothing, leaves nothing, and goes on when it may again', async () => {
    if (!layout.unified) return;
    const own = join(layout.unified, node.cgroupRoot, `kubepods/burstable/pod${pod}`);
    await writeFile(join(own, 'cgroup.max.descendants'), '0');
    const before = await held();
    await expect(limited({})).rejects.toMatchObject({ code: 'Kernel', step: 'make cgroup' });
    expect(await held()).toEqual(before);
    await writeFile(join(own, 'cgroup.max.descendants'), 'max');
    await limited({});
  });

  test('of v2 alone are where its kernel reads them', async () => {
    if (!v2()) return;
    await limited({
      ...{
        memoryMinBytes: 4 * MIB,
        memoryLowBytes: 8 * MIB,
        memoryHighBytes: 12 * MIB,
        memoryBytes: 16 * MIB,
      },
      ...{ oomGroup: true, hugepages: [{ pageBytes: 2 * MIB, bytes: 4 * MIB }] },
    });
    for (const [name, value] of Object.entries({
      min: 4 * MIB,
      low: 8 * MIB,
      high: 12 * MIB,
      'oom.group': 1,
    }))
      expect(await file('memory', `memory.${name}`), name).toBe(String(value));
    expect(await file('hugetlb', 'hugetlb.2MB.max')).toBe(String(4 * MIB));
  });

  test('out of memory, v2 kills the container whole where that is wanted, else the largest process', async () => {
    if (!v2()) return;
    const eats = 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo went on';
    const ends = async (oomGroup: boolean) => {
      const resources = { memoryBytes: 16 * MIB, swapBytes: 0, oomGroup };
      return await node.run(runtime, pod, eats, { resources });
    };
    expect(await ends(true)).toMatchObject({ output: '', exit: { code: 137, reason: 'OOMKilled' } });
    expect(await ends(false)).toMatchObject({ output: 'Killed\nwent on', exit: { code: 0 } });
  });

  test('of a parent of pods are made, and changed', async () => {
    const limitOf = async (parent: string) =>
      (
        await readFile(
          join(
            layout.controllers.get('memory')!,
            node.cgroupRoot,
            parent,
            v2() ? 'memory.max' : 'memory.limit_in_bytes',
          ),
          'utf8',
        )
      ).trim();
    for (const mib of [512, 256]) {
      await runtime.updateParent('kubepods/special', { memoryBytes: mib * MIB, cpuShares: mib });
      expect(await limitOf('kubepods/special')).toBe(String(mib * MIB));
    }
    const pod = await node.sandbox(runtime, 'special', { cgroupParent: 'kubepods/special' });
    await runtime.removeSandbox(pod);
    await expect(runtime.updateParent('kubepods/bad', { cpusetCpus: '0-4095' })).rejects.toMatchObject({
      code: expect.stringMatching(/InvalidSpec|Unsupported/),
    });
    await expect(limitOf('kubepods/bad')).rejects.toThrow('ENOENT');
  });

  test('that need cgroup v2 are refused on v1 with the reason, before anything is made', async () => {
    if (v2()) return;
    const before = await held();
    await expect(limited({ memoryHighBytes: MIB })).rejects.toMatchObject({
      code: 'Unsupported',
      message: 'memory.high needs cgroup v2, and this node has v1',
    });
    const made = node.sandbox(runtime, 'needs-v2', { resources: { memoryMinBytes: MIB } });
    await expect(made).rejects.toMatchObject({ code: 'Unsupported' });
    expect(await held()).toEqual(before);
  });

  describe('changed while it runs', () => {
    const memoryFile = () => file('memory', v2() ? 'memory.max' : 'memory.limit_in_bytes');

    test('go up and down, with swap beside memory', async () => {
      const swap = features['swapLimits'] ? { swapBytes: 0 } : {};
      await limited({ memoryBytes: 64 * MIB, ...swap, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000 });
      for (const [mib, quota] of [[256, 90_000] as const, [32, 20_000] as const]) {
        await runtime.updateResources(pod, 'main.0', { memoryBytes: mib * MIB, cpuQuotaUs: quota });
        expect(await memoryFile()).toBe(String(mib * MIB));
        const cpu = await file('cpu', v2() ? 'cpu.max' : 'cpu.cfs_quota_us');
        expect(cpu).toBe(v2() ? `${quota} 100000` : String(quota));
        if (features['swapLimits'] && !v2())
          expect(await file('memory', 'memory.memsw.limit_in_bytes')).toBe(String(mib * MIB));
      }
    });

    test('are not lowered below what is in use', async () => {
      await start(
        { resources: { memoryBytes: 128 * MIB } },
        'dd if=/dev/zero of=/dev/shm/full bs=1M count=40 2>/dev/null; exec sleep 600',
      );
      await expect
        .poll(async () => (await runtime.stats(pod, 'main.0')).memoryWorkingSetBytes, { timeout: 15_000 })
        .toBeGreaterThan(30 * MIB);
      const lowered = runtime.updateResources(pod, 'main.0', { cpuShares: 77, memoryBytes: 8 * MIB });
      await expect(lowered).rejects.toMatchObject({
        code: 'Busy',
        message: expect.stringMatching(/attempting to set memory limit \(8388608\) below current usage/),
      });
      expect(await memoryFile()).toBe(String(128 * MIB));
    });

    test('are all undone when the kernel refuses one', async () => {
      await limited({ memoryBytes: 64 * MIB, cpuShares: 512, pids: 20, cpusetCpus: '0' });
      const change = { memoryBytes: 96 * MIB, cpuShares: 100, cpusetCpus: '0-4095' };
      await expect(runtime.updateResources(pod, 'main.0', change)).rejects.toMatchObject({
        code: 'InvalidSpec',
      });
      expect(await memoryFile()).toBe(String(64 * MIB));
      if (!v2()) expect(await file('cpu', 'cpu.shares')).toBe('512');
      expect(await file('cpuset', 'cpuset.cpus')).toBe('0');
    });

    test('of a hierarchy it is not in are refused on v1', async () => {
      await limited({});
      const change = runtime.updateResources(pod, 'main.0', { cpusetCpus: '0' });
      if (v2()) await change;
      else await expect(change).rejects.toMatchObject({ code: 'Unsupported' });
    });

    test('a paused container uses no cpu', async () => {
      await start({}, 'while :; do :; done');
      await runtime.pause(pod, 'main.0');
      const before = (await runtime.stats(pod, 'main.0')).cpuNs;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await runtime.stats(pod, 'main.0')).cpuNs).toBe(before);
      await runtime.resume(pod, 'main.0');
      await expect.poll(async () => (await runtime.stats(pod, 'main.0')).cpuNs).toBeGreaterThan(before);
    });
  });

  describe('of devices', () => {
    /** May mount a file system with device nodes in it: the first wall is gone. */
    const mounter = { capabilities: [...CAPABILITIES], seccomp: undefined };
    const script = (number: string) =>
      `mount -t tmpfs none /tmp && mknod /tmp/it c ${number} && (: < /tmp/it) 2>&1 && echo opened`;
    const opens = async (number: string, devices?: ContainerSpec['devices']) =>
      (await node.run(runtime, pod, script(number), { ...mounter, ...(devices && { devices }) })).output;

    test('keep even who can mount from a device of the node, and not from the standard ones', async () => {
      expect(features['deviceLimits']).toBe(true);
      expect(await opens('1 11')).toContain('Operation not permitted');
      expect(await opens('1 1')).toContain('Operation not permitted');
      expect(await opens('1 3')).toBe('opened');
    });

    test('let through what is on the list, and everything for a privileged container', async () => {
      expect(await opens('1 11', [{ type: 'char', major: 1, minor: 11, access: 'r' }])).toBe('opened');
      expect(await opens('1 11', [{ type: 'char', major: 1, minor: 12, access: 'r' }])).not.toBe('opened');
      expect(await opens('1 11', 'all')).toBe('opened');
    });
  });

  test('stats count what was killed for want of memory, a child too, and the time that was waited; an event names it', async () => {
    const events: RuntimeEvent[] = [];
    const stop = new AbortController();
    const reading = runtime.watch(stop.signal);
    void (async () => {
      for await (const event of reading) events.push(event);
    })();
    await start(
      { resources: { memoryBytes: 16 * MIB, ...(features['swapLimits'] && { swapBytes: 0 }) } },
      'dd if=/dev/zero of=/dev/null bs=64M count=1; exec sleep 600',
    );
    await expect
      .poll(async () => (await runtime.stats(pod, 'main.0')).oomKills, { timeout: 5000 })
      .toBeGreaterThan(0);
    // The log of a machine that lets nobody read it names nobody.
    if (
      await access('/dev/kmsg', constants.R_OK).then(
        () => true,
        () => false,
      )
    )
      await expect
        // The log is looked at every five seconds.
        .poll(() => events, { timeout: 15_000 })
        .toContainEqual({
          ...{ type: 'oom', sandbox: pod, container: 'main.0', process: 'dd', wholeNode: false },
          pid: expect.any(Number),
        });
    stop.abort();
    const whole = await runtime.stats(pod);
    expect(whole.memoryBytes).toBeGreaterThan(0);
    const { pressure } = await runtime.stats(pod, 'main.0');
    if (features['pressure']) expect(pressure!.memory.some.totalUs).toBeGreaterThanOrEqual(0);
    else expect(pressure).toBeUndefined();
  });
});
