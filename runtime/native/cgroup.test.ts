import { describe, expect, test } from 'vitest';
import type { DeviceRule, Resources } from '../contract.ts';
import { parsePressure } from '../pressure.ts';
import { planCgroup } from './cgroup.ts';
import { deviceList, deviceProgram } from './cgroup-devices.ts';
import { type CgroupLayout, probeCgroups } from './cgroup-layout.ts';
import { limitsOf } from './cgroup-limits.ts';
import { planUpdate } from './cgroup-update.ts';

const MOUNTINFO = {
  v1: ['memory', 'cpu,cpuacct', 'cpuset', 'pids', 'blkio', 'devices', 'freezer']
    .map((name, index) => `${index} 1 0:${index} / /cg/${name} rw - cgroup cgroup rw,${name}`)
    .join('\n'),
  unified: '20 1 0:20 / /cg/unified rw - cgroup2 cgroup2 rw',
};

function probe(mountinfo: string, controllers: string, kernel = '6.1.0'): Promise<CgroupLayout> {
  return probeCgroups({
    ...{ mountinfo, kernel },
    controllers: async () => controllers,
    cpuset: async (_, file) => (file === 'cpuset.cpus' ? '0-3\n' : '0\n'),
  });
}

const V1 = await probe(MOUNTINFO.v1, '');
const V2 = { ...(await probe(MOUNTINFO.unified, 'cpuset cpu io memory hugetlb pids\n')), deviceFilter: true };
const HYBRID = { ...(await probe(`${MOUNTINFO.v1}\n${MOUNTINFO.unified}`, 'hugetlb\n')), deviceFilter: true };

describe('the layout', () => {
  test('is v1, v2 or both, each controller where it is', () => {
    expect([V1.mode, V2.mode, HYBRID.mode]).toEqual(['v1', 'v2', 'hybrid']);
    expect(V1).toMatchObject({ cpus: '0-3', mems: '0' });
    expect(V1.unified).toBeUndefined();
    expect(HYBRID.controllers.get('memory')).toBe('/cg/memory');
    expect(HYBRID.controllers.get('hugetlb')).toBe('/cg/unified');
    expect([...V2.inUnified].sort()).toEqual([
      ...['blkio', 'cpu', 'cpuacct', 'cpuset', 'hugetlb', 'memory', 'pids'],
    ]);
  });

  test('of an old kernel does without the unified hierarchy beside v1, and not without a needed controller', async () => {
    const both = `${MOUNTINFO.v1}\n${MOUNTINFO.unified}`;
    expect((await probe(both, '', '5.10.0-8-amd64')).unified).toBeUndefined();
    expect((await probe(both, '', '5.14.0')).unified).toBe('/cg/unified');
    await expect(probe(MOUNTINFO.unified, 'cpu pids')).rejects.toThrow('no cgroup controller memory');
    await expect(probe('', '')).rejects.toThrow('memory, cpu, cpuacct, pids');
  });
});

describe('limits', () => {
  const MIB = 1 << 20;
  const cases: [string, Resources, string[], string[]][] = [
    ['nothing', {}, [], []],
    ['memory', { memoryBytes: 64 * MIB }, ['memory.limit_in_bytes 67108864'], ['memory.max 67108864']],
    ['no memory limit', { memoryBytes: -1 }, ['memory.limit_in_bytes -1'], ['memory.max max']],
    ['memory kept', { memoryLowBytes: MIB }, ['memory.soft_limit_in_bytes 1048576'], ['memory.low 1048576']],
    [
      'no swap',
      { memoryBytes: MIB, swapBytes: 0 },
      ['memory.limit_in_bytes 1048576', 'memory.memsw.limit_in_bytes 1048576'],
      ['memory.max 1048576', 'memory.swap.max 0'],
    ],
    [
      'some swap',
      { memoryBytes: MIB, swapBytes: MIB },
      ['memory.limit_in_bytes 1048576', 'memory.memsw.limit_in_bytes 2097152'],
      ['memory.max 1048576', 'memory.swap.max 1048576'],
    ],
    [
      'all swap',
      { memoryBytes: MIB, swapBytes: -1 },
      ['memory.limit_in_bytes 1048576', 'memory.memsw.limit_in_bytes -1'],
      ['memory.max 1048576', 'memory.swap.max max'],
    ],
    ['the least shares', { cpuShares: 1 }, ['cpu.shares 2'], ['cpu.weight 1']],
    ['a core', { cpuShares: 1024 }, ['cpu.shares 1024'], ['cpu.weight 39']],
    ['the most shares', { cpuShares: 1e9 }, ['cpu.shares 262144'], ['cpu.weight 10000']],
    [
      'a quota with burst',
      { cpuQuotaUs: 50_000.5, cpuPeriodUs: 100_000, cpuBurstUs: 10_000 },
      ['cpu.cfs_period_us 100000', 'cpu.cfs_quota_us 50000', 'cpu.cfs_burst_us 10000'],
      ['cpu.max 50000 100000', 'cpu.max.burst 10000'],
    ],
    ['no quota', { cpuQuotaUs: -1 }, ['cpu.cfs_quota_us -1'], ['cpu.max max 100000']],
    ['a cpuset', { cpusetCpus: '0,2-3' }, ['cpuset.cpus 0,2-3'], ['cpuset.cpus 0,2-3']],
    ['processes', { pids: 10 }, ['pids.max 10'], ['pids.max 10']],
    ['any processes', { pids: -1 }, ['pids.max max'], ['pids.max max']],
    ['weight of I/O', { ioWeight: 1000 }, ['blkio.bfq.weight 1000'], ['io.weight 10000']],
    ['the least weight of I/O', { ioWeight: 10 }, ['blkio.bfq.weight 10'], ['io.weight 1']],
    [
      'I/O of a disk',
      { ioLimits: [{ major: 8, minor: 0, readBytes: MIB, writeOperations: 100, writeBytes: -1 }] },
      [
        'blkio.throttle.read_bps_device 8:0 1048576',
        'blkio.throttle.write_bps_device 8:0 0',
        'blkio.throttle.write_iops_device 8:0 100',
      ],
      ['io.max 8:0 rbps=1048576 wbps=max wiops=100'],
    ],
  ];
  const lines = (layout: CgroupLayout, resources: Resources) =>
    limitsOf(layout, resources).map(({ file, value }) => `${file} ${value}`);

  test.each(cases)('%s', (_, resources, v1, v2) => {
    expect(lines(V1, resources)).toEqual(v1);
    expect(lines(HYBRID, resources)).toEqual(v1);
    expect(lines(V2, resources)).toEqual(v2);
  });

  test('huge pages go where their controller is', () => {
    const hugepages = [
      { pageBytes: 2 * MIB, bytes: 4 * MIB },
      { pageBytes: 2 ** 30, bytes: 0 },
    ];
    expect(lines(HYBRID, { hugepages })).toEqual(['hugetlb.2MB.max 4194304', 'hugetlb.1GB.max 0']);
    const v1 = { ...V1, controllers: new Map([...V1.controllers, ['hugetlb', '/cg/hugetlb'] as const]) };
    expect(lines(v1, { hugepages })).toEqual([
      'hugetlb.2MB.limit_in_bytes 4194304',
      'hugetlb.1GB.limit_in_bytes 0',
    ]);
  });

  test('what only v2 can do is told and refused', () => {
    const all = { memoryMinBytes: 1, memoryHighBytes: 2, oomGroup: true };
    expect(lines(V2, all)).toEqual(['memory.min 1', 'memory.high 2', 'memory.oom.group 1']);
    for (const [name, value] of Object.entries(all))
      expect(() => limitsOf(HYBRID, { [name]: value }), name).toThrow(
        'needs cgroup v2, and this node has v1',
      );
    expect(() => limitsOf(V1, { swapBytes: 0 })).toThrow('only together with memory');
  });

  test('what the node has no controller for is refused only when it is asked for', async () => {
    const bare = await probe(MOUNTINFO.unified, 'cpu memory pids');
    for (const asked of [
      { cpusetCpus: '0' },
      { ioWeight: 10 },
      { hugepages: [{ pageBytes: 2 ** 21, bytes: 0 }] },
    ])
      expect(() => planCgroup(bare, { path: 'r/c', resources: asked, leaf: true })).toThrow(
        expect.objectContaining({
          code: 'Unsupported',
          message: expect.stringContaining('no cgroup controller'),
        }),
      );
    expect(() => planCgroup(bare, { path: 'r/c', resources: { pids: 1 }, leaf: true })).not.toThrow();
  });
});

describe('the plan of a group', () => {
  const plan = (layout: CgroupLayout, resources: Resources = {}, pod?: Resources) =>
    planCgroup(layout, { path: 'root/pod/main', resources, leaf: true, ...(pod && { pod }) });
  const mkdirs = (layout: CgroupLayout, resources?: Resources) =>
    plan(layout, resources).steps.flatMap((step) => ('mkdir' in step ? [step.mkdir] : []));
  const writes = (layout: CgroupLayout, resources?: Resources, pod?: Resources) =>
    plan(layout, resources, pod).steps.flatMap((step) =>
      'write' in step ? [`${step.write} ${step.value}`] : [],
    );

  test('makes only the groups that are used, and enters each', () => {
    expect(mkdirs(HYBRID)).toEqual(
      ['memory', 'cpu,cpuacct', 'pids', 'unified'].map((name) => `/cg/${name}/root/pod/main`),
    );
    expect(mkdirs(HYBRID, { cpusetCpus: '0', ioWeight: 10 })).toEqual(
      ['memory', 'cpu,cpuacct', 'pids', 'cpuset', 'blkio', 'unified'].map(
        (name) => `/cg/${name}/root/pod/main`,
      ),
    );
    expect(mkdirs(V1)).toEqual(
      ['memory', 'cpu,cpuacct', 'pids', 'devices', 'freezer'].map((name) => `/cg/${name}/root/pod/main`),
    );
    expect(mkdirs(V2)).toEqual(['/cg/unified/root/pod/main']);
    expect(plan(HYBRID).attach).toEqual(
      ['memory', 'cpu,cpuacct', 'pids'].map((name) => `/cg/${name}/root/pod/main/tasks`),
    );
    expect(plan(V2)).toMatchObject({ attach: [], into: '/cg/unified/root/pod/main' });
  });

  test('kills by the unified hierarchy where there is one, and removes every group there may be', () => {
    expect(plan(V1).kill).toEqual(['/cg/pids/root/pod/main']);
    expect(plan(HYBRID).kill).toEqual(['/cg/unified/root/pod/main']);
    expect(plan(HYBRID).remove).toHaveLength(8);
    expect(plan(V2).remove).toEqual(['/cg/unified/root/pod/main']);
    expect(plan(V2).oomFile).toBe('/cg/unified/root/pod/main/memory.events');
  });

  test('switches on what is used, from the top down to the parent', () => {
    const basic = '+memory +cpu +pids';
    expect(writes(V2)).toEqual([
      `/cg/unified/cgroup.subtree_control ${basic}`,
      `/cg/unified/root/cgroup.subtree_control ${basic}`,
      `/cg/unified/root/pod/cgroup.subtree_control ${basic}`,
    ]);
    expect(writes(V2, { ioWeight: 10 })[0]).toBe(`/cg/unified/cgroup.subtree_control ${basic} +io`);
    expect(writes(HYBRID, { hugepages: [{ pageBytes: 2 ** 21, bytes: 0 }] })).toEqual([
      '/cg/unified/cgroup.subtree_control +hugetlb',
      '/cg/unified/root/cgroup.subtree_control +hugetlb',
      '/cg/unified/root/pod/cgroup.subtree_control +hugetlb',
      '/cg/unified/root/pod/main/hugetlb.2MB.max 0',
    ]);
  });

  test('gives each v1 cpuset CPUs and memory, the pod its own, the container what it asks for', () => {
    expect(writes(HYBRID, { cpusetCpus: '1' }, { cpusetCpus: '0-1' })).toEqual([
      '/cg/cpuset/root/cpuset.cpus 0-3',
      '/cg/cpuset/root/cpuset.mems 0',
      '/cg/cpuset/root/pod/cpuset.cpus 0-1',
      '/cg/cpuset/root/pod/cpuset.mems 0',
      '/cg/cpuset/root/pod/main/cpuset.cpus 0-1',
      '/cg/cpuset/root/pod/main/cpuset.mems 0',
      '/cg/cpuset/root/pod/main/cpuset.cpus 1',
    ]);
    // Held by its pod's set, though it asks for none.
    expect(writes(HYBRID, {}, { cpusetCpus: '0-1' }).at(-2)).toBe('/cg/cpuset/root/pod/main/cpuset.cpus 0-1');
  });

  test('filters devices by a program, else by the v1 list, and not for a privileged container', () => {
    const steps = (layout: CgroupLayout, devices?: DeviceRule[] | 'all') =>
      planCgroup(layout, { path: 'root/pod/main', resources: {}, leaf: true, ...(devices && { devices }) })
        .steps;
    expect(steps(HYBRID).at(-1)).toMatchObject({ attach: '/cg/unified/root/pod/main' });
    expect(steps(V1)).toContainEqual({ write: '/cg/devices/root/pod/main/devices.deny', value: 'a' });
    expect(steps({ ...HYBRID, deviceFilter: false })).toContainEqual({
      write: '/cg/devices/root/pod/main/devices.allow',
      value: 'c 1:3 rwm',
    });
    for (const layout of [V1, V2, HYBRID]) {
      expect(JSON.stringify(steps(layout, 'all'))).not.toMatch(/devices\.(deny|allow)|program/);
    }
    expect(deviceList([{ type: 'block', major: 8, access: 'r' }])).toContain('b 8:* r');
  });
});

describe('an update', () => {
  const NONE = { memoryBytes: Infinity, memorySwapBytes: Infinity, cpuQuotaUs: Infinity };
  const order = (layout: CgroupLayout, resources: Resources, current: Partial<typeof NONE>) =>
    planUpdate(layout, resources, { ...NONE, ...current }).map(({ file, value }) => `${file} ${value}`);
  const memory = 'memory.limit_in_bytes';
  const both = 'memory.memsw.limit_in_bytes';

  test('raises memory with swap before memory, and lowers it after', () => {
    const current = { memoryBytes: 100, memorySwapBytes: 150 };
    expect(order(V1, { memoryBytes: 200, swapBytes: 0 }, current)).toEqual([`${both} 200`, `${memory} 200`]);
    expect(order(V1, { memoryBytes: 50, swapBytes: 0 }, current)).toEqual([`${memory} 50`, `${both} 50`]);
    expect(order(V1, { memoryBytes: -1, swapBytes: -1 }, current)).toEqual([`${both} -1`, `${memory} -1`]);
  });

  test('keeps the swap there is when only memory is told, and memory when only swap is', () => {
    const current = { memoryBytes: 100, memorySwapBytes: 150 };
    expect(order(V1, { memoryBytes: 200 }, current)).toEqual([`${both} 250`, `${memory} 200`]);
    expect(order(V1, { memoryBytes: 200 }, { memoryBytes: 100 })).toEqual([`${memory} 200`]);
    expect(order(V1, { swapBytes: 10 }, current)).toEqual([`${memory} 100`, `${both} 110`]);
    expect(order(V2, { memoryBytes: 200 }, { memoryBytes: 100 })).toEqual(['memory.max 200']);
  });

  test('keeps a burst at most its quota all the way', () => {
    const lower = { cpuQuotaUs: 5_000, cpuBurstUs: 1_000 };
    expect(order(V2, lower, { cpuQuotaUs: 10_000 })).toEqual(['cpu.max.burst 1000', 'cpu.max 5000 100000']);
    expect(order(V2, lower, { cpuQuotaUs: 500 })).toEqual(['cpu.max 5000 100000', 'cpu.max.burst 1000']);
    expect(order(V1, lower, { cpuQuotaUs: 10_000 })).toEqual([
      'cpu.cfs_burst_us 1000',
      'cpu.cfs_quota_us 5000',
    ]);
  });
});

describe('the device program', () => {
  const BLOCK = 1;
  const CHAR = 2;
  const [MKNOD, READ, WRITE] = [1, 2, 4];
  const KVM: DeviceRule = { type: 'char', major: 10, minor: 232, access: 'rw' };
  const DISK: DeviceRule = { type: 'block', major: 8, access: 'r' };

  const cases: [string, number, number, number, number, boolean][] = [
    ['null', CHAR, READ | WRITE, 1, 3, true],
    ['a terminal', CHAR, READ | WRITE, 136, 77, true],
    ['the kernel log', CHAR, READ, 1, 11, false],
    ['memory', CHAR, WRITE, 1, 1, false],
    ['the making of any node', CHAR, MKNOD, 1, 1, true],
    ['the making of any disk', BLOCK, MKNOD, 8, 0, true],
    ['the making and reading of a node', CHAR, MKNOD | READ, 1, 1, false],
    ['a disk with the numbers of null', BLOCK, READ, 1, 3, false],
    ['a device of the list', CHAR, READ | WRITE, 10, 232, true],
    ['its neighbour', CHAR, READ | WRITE, 10, 233, false],
    ['any disk of the list', BLOCK, READ, 8, 16, true],
    ['writing where reading is allowed', BLOCK, WRITE, 8, 16, false],
    ['both where reading is allowed', BLOCK, READ | WRITE, 8, 16, false],
    ['a number over 2^31', CHAR, READ, 0xffff_ffff, 3, false],
  ];
  test.each(cases)('judges %s', (_, type, access, major, minor, allowed) => {
    const program = deviceProgram([KVM, DISK]);
    expect(interpret(program, [(access << 16) | type, major, minor])).toBe(allowed ? 1 : 0);
  });

  test('judges the standard devices as their list does', () => {
    const program = deviceProgram([]);
    const list = deviceList([]).map((text) => /^([cb]) (\S+):(\S+) (\w+)$/.exec(text)!.slice(1));
    const letters = { m: MKNOD, r: READ, w: WRITE };
    const listed = (type: number, access: number, major: number, minor: number) =>
      list.some(([kind, majors, minors, allowed]) => {
        const mask = [...allowed!].reduce((sum, letter) => sum | letters[letter as 'm' | 'r' | 'w'], 0);
        const is = (text: string, number: number) => text === '*' || Number(text) === number;
        const isType = (kind === 'c' ? CHAR : BLOCK) === type;
        return isType && is(majors!, major) && is(minors!, minor) && (access & ~mask) === 0;
      });
    for (const type of [BLOCK, CHAR])
      for (let access = 1; access < 8; access++)
        for (const major of [0, 1, 2, 4, 5, 6, 8, 135, 136, 137, 257, 0xffff_ffff])
          for (const minor of [...Array(17).keys(), 35, 67, 131, 2 ** 31, 0xffff_ffff])
            expect(
              interpret(program, [(access << 16) | type, major, minor]),
              `${type} ${access} ${major}:${minor}`,
            ).toBe(Number(listed(type, access, major, minor)));
  });

  test('stays small with many rules', () => {
    const rules = Array.from({ length: 200 }, (_, minor): DeviceRule => ({ ...KVM, minor }));
    expect(deviceProgram(rules).length / 8).toBeLessThan(4096);
  });
});

test('pressure is read as the kernel writes it', () => {
  const text =
    'some avg10=1.50 avg60=0.20 avg300=0.01 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n';
  expect(parsePressure(text)).toEqual({
    some: { avg10: 1.5, avg60: 0.2, avg300: 0.01, totalUs: 123_456 },
    full: { avg10: 0, avg60: 0, avg300: 0, totalUs: 7 },
  });
});

/** Runs a program as the kernel would: registers of 64 bits, the context read by words. */
function interpret(program: Uint8Array, context: number[]): number {
  const code = Buffer.from(program);
  const registers = Array.from({ length: 11 }, () => 0n);
  for (let at = 0, steps = 0; at < code.length / 8; at++) {
    if (steps++ > 10_000) throw new Error('it does not end');
    const op = code.readUInt8(at * 8);
    const [dst, src] = [code.readUInt8(at * 8 + 1) & 15, code.readUInt8(at * 8 + 1) >> 4];
    const off = code.readInt16LE(at * 8 + 2);
    const imm = BigInt.asUintN(64, BigInt(code.readInt32LE(at * 8 + 4)));
    const set = (value: bigint) => {
      registers[dst] = BigInt.asUintN(64, value);
    };
    if (op === 0x61) set(BigInt(context[off / 4]! >>> 0));
    else if (op === 0xbf) set(registers[src]!);
    else if (op === 0xb7) set(imm);
    else if (op === 0x57) set(registers[dst]! & imm);
    else if (op === 0x77) set(registers[dst]! >> imm);
    else if (op === 0x6f) set(registers[dst]! << (registers[src]! & 63n));
    else if (op === 0x15) at += registers[dst] === imm ? off : 0;
    else if (op === 0x25) at += registers[dst]! > imm ? off : 0;
    else if (op === 0x55) at += registers[dst] === imm ? 0 : off;
    else if (op === 0x95) return Number(registers[0]);
    else throw new Error(`instruction ${op.toString(16)}`);
  }
  throw new Error('it runs off its end');
}
