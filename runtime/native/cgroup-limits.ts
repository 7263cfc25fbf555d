import { type IoLimit, type Resources, RuntimeError } from '../contract.ts';
import type { CgroupLayout, Controller } from './cgroup-layout.ts';

/** Limits as files of the kernel, of either version. Pure. Source: kernel documentation, "cgroup-v1" and "cgroup-v2". */

export interface Limit {
  controller: Controller;
  file: string;
  value: string;
}

/** In the order in which a new group takes them. Throws RuntimeError Unsupported for what this node has no controller for. */
export function limitsOf(layout: CgroupLayout, resources: Resources): Limit[] {
  const limits = [
    ...memory(layout, resources),
    ...cpu(layout, resources),
    ...cpuset(layout, resources),
    ...pids(resources),
    ...io(layout, resources),
    ...hugepages(layout, resources),
  ];
  for (const { controller } of limits) {
    if (!layout.controllers.has(controller))
      throw new RuntimeError('Unsupported', `this node's kernel has no cgroup controller ${controller}`);
  }
  return limits;
}

type One = (controller: Controller, file: string, value: string | number | undefined) => void;

/** Collects what is set; amounts are whole numbers. */
function collect(fill: (add: One) => void): Limit[] {
  const limits: Limit[] = [];
  fill((controller, file, value) => {
    if (value === undefined) return;
    limits.push({ controller, file, value: typeof value === 'number' ? String(Math.trunc(value)) : value });
  });
  return limits;
}

/** v2 has a word for no limit, v1 has -1. */
function orMax(amount: number | undefined): string | undefined {
  if (amount === undefined) return undefined;
  return amount < 0 ? 'max' : String(Math.trunc(amount));
}

function memory({ inUnified }: CgroupLayout, resources: Resources): Limit[] {
  const { memoryBytes, memoryMinBytes, memoryLowBytes, memoryHighBytes, swapBytes, oomGroup } = resources;
  return collect((add) => {
    if (inUnified.has('memory')) {
      add('memory', 'memory.min', memoryMinBytes);
      add('memory', 'memory.low', memoryLowBytes);
      add('memory', 'memory.high', orMax(memoryHighBytes));
      add('memory', 'memory.max', orMax(memoryBytes));
      add('memory', 'memory.swap.max', orMax(swapBytes));
      add('memory', 'memory.oom.group', oomGroup === undefined ? undefined : Number(oomGroup));
      return;
    }
    const onlyV2 = [
      memoryMinBytes && 'memory.min',
      memoryHighBytes !== undefined && memoryHighBytes >= 0 && 'memory.high',
      oomGroup && 'memory.oom.group',
    ].find(Boolean);
    if (onlyV2) throw new RuntimeError('Unsupported', `${onlyV2} needs cgroup v2, and this node has v1`);
    add('memory', 'memory.limit_in_bytes', memoryBytes);
    add('memory', 'memory.soft_limit_in_bytes', memoryLowBytes);
    add('memory', 'memory.memsw.limit_in_bytes', memorySwap(memoryBytes, swapBytes));
  });
}

/** v1 limits memory and swap together. */
function memorySwap(memoryBytes: number | undefined, swapBytes: number | undefined): number | undefined {
  if (swapBytes === undefined) return undefined;
  if (swapBytes < 0 || (memoryBytes !== undefined && memoryBytes < 0)) return -1;
  if (memoryBytes === undefined)
    throw new RuntimeError('Unsupported', 'with cgroup v1 swap is limited only together with memory');
  return memoryBytes + swapBytes;
}

const PERIOD_US = 100_000;

function cpu({ inUnified }: CgroupLayout, resources: Resources): Limit[] {
  const { cpuShares, cpuQuotaUs, cpuPeriodUs, cpuBurstUs } = resources;
  return collect((add) => {
    if (inUnified.has('cpu')) {
      add('cpu', 'cpu.weight', cpuShares && cpuWeight(cpuShares));
      if (cpuQuotaUs !== undefined)
        add(
          'cpu',
          'cpu.max',
          `${cpuQuotaUs > 0 ? Math.trunc(cpuQuotaUs) : 'max'} ${cpuPeriodUs ?? PERIOD_US}`,
        );
      add('cpu', 'cpu.max.burst', cpuBurstUs);
      return;
    }
    add('cpu', 'cpu.shares', cpuShares && clamp(cpuShares, 2, 262_144));
    add('cpu', 'cpu.cfs_period_us', cpuPeriodUs);
    add('cpu', 'cpu.cfs_quota_us', cpuQuotaUs);
    add('cpu', 'cpu.cfs_burst_us', cpuBurstUs);
  });
}

/** cpu.shares (2-262144) to cpu.weight (1-10000). Source: OCI runtime-spec, "cgroup v2 conversion". */
function cpuWeight(shares: number): number {
  return Math.trunc(1 + ((clamp(shares, 2, 262_144) - 2) * 9999) / 262_142);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function cpuset(_: CgroupLayout, { cpusetCpus, cpusetMems }: Resources): Limit[] {
  return collect((add) => {
    add('cpuset', 'cpuset.cpus', cpusetCpus);
    add('cpuset', 'cpuset.mems', cpusetMems);
  });
}

function pids(resources: Resources): Limit[] {
  return collect((add) => add('pids', 'pids.max', orMax(resources.pids)));
}

/** The kernel has two schedulers with weights; bfq's files are there without one of its disks. */
const V1_WEIGHT_FILE = 'blkio.bfq.weight';

function io({ inUnified }: CgroupLayout, { ioWeight, ioLimits = [] }: Resources): Limit[] {
  return collect((add) => {
    const v2 = inUnified.has('blkio');
    if (v2) add('blkio', 'io.weight', ioWeight && Math.trunc(1 + ((ioWeight - 10) * 9999) / 990));
    else add('blkio', V1_WEIGHT_FILE, ioWeight);
    for (const limit of ioLimits) {
      if (v2) add('blkio', 'io.max', v2IoLimit(limit));
      else for (const [file, value] of v1IoLimits(limit)) add('blkio', file, value);
    }
  });
}

function v2IoLimit({
  major,
  minor,
  readBytes,
  writeBytes,
  readOperations,
  writeOperations,
}: IoLimit): string {
  const all = { rbps: readBytes, wbps: writeBytes, riops: readOperations, wiops: writeOperations };
  const set = Object.entries(all).filter(([, amount]) => amount !== undefined);
  return [`${major}:${minor}`, ...set.map(([name, amount]) => `${name}=${orMax(amount)}`)].join(' ');
}

/** In v1 0 takes a limit away. */
function v1IoLimits(limit: IoLimit): [string, string][] {
  const { major, minor, readBytes, writeBytes, readOperations, writeOperations } = limit;
  const all = {
    read_bps: readBytes,
    write_bps: writeBytes,
    read_iops: readOperations,
    write_iops: writeOperations,
  };
  return Object.entries(all).flatMap(([name, amount]) =>
    amount === undefined
      ? []
      : [[`blkio.throttle.${name}_device`, `${major}:${minor} ${Math.max(0, Math.trunc(amount))}`]],
  );
}

function hugepages({ inUnified }: CgroupLayout, { hugepages: all = [] }: Resources): Limit[] {
  const what = inUnified.has('hugetlb') ? 'max' : 'limit_in_bytes';
  return collect((add) => {
    for (const { pageBytes, bytes } of all) add('hugetlb', `hugetlb.${pageSize(pageBytes)}.${what}`, bytes);
  });
}

/** As the kernel writes it: 64KB, 2MB, 1GB. */
function pageSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  const unit = Math.min(3, Math.floor(Math.log2(bytes) / 10));
  return `${bytes / 2 ** (10 * unit)}${units[unit]}`;
}
