import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type { NodeUse } from '#api/node-link.ts';
import { readPressure } from '#runtime/pressure.ts';
import type { NodeHealth } from './node.ts';

/** What the kernel tells of the machine. Source: proc(5), os-release(5), machine-id(5). */
export interface Machine {
  cpus: number;
  memoryBytes: number;
  architecture: string;
  kernelVersion: string;
  osImage: string;
  machineId: string;
  bootId: string;
  storageBytes: number;
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

export async function readMachine(directory: string): Promise<Machine> {
  const [kernel, release, machineId, bootId, disk] = await Promise.all([
    textOf('/proc/sys/kernel/osrelease'),
    textOf('/etc/os-release'),
    textOf('/etc/machine-id'),
    textOf('/proc/sys/kernel/random/boot_id'),
    statfs(directory),
  ]);
  return {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    kernelVersion: kernel,
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? 'Linux',
    machineId,
    bootId,
    storageBytes: disk.blocks * disk.bsize,
  };
}

/** A look at what runs short. */
export async function readHealth(directory: string): Promise<Omit<NodeHealth, 'notReady'>> {
  const [meminfo, load, pidMax, disk] = await Promise.all([
    textOf('/proc/meminfo'),
    textOf('/proc/loadavg'),
    textOf('/proc/sys/kernel/pid_max'),
    statfs(directory),
  ]);
  const available = Number(/^MemAvailable: +(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const threads = Number(/ \d+\/(\d+) /.exec(load)?.[1] ?? 0);
  return {
    memoryAvailableBytes: available,
    storageAvailableShare: disk.bavail / disk.blocks,
    pidsShare: threads / Number(pidMax),
  };
}

/** proc(5): /proc/stat counts in ticks of USER_HZ, which is 100 on every architecture of ours. */
const TICK_NANOSECONDS = 10_000_000;

/** What everything on the machine has used and uses. Source: proc(5), /proc/stat and /proc/meminfo. */
export async function readUse(): Promise<NodeUse['machine']> {
  const [stat, meminfo, pressure] = await Promise.all([
    textOf('/proc/stat'),
    textOf('/proc/meminfo'),
    readPressure((resource) => readFile(`/proc/pressure/${resource}`, 'utf8')),
  ]);
  const [user = 0, nice = 0, system = 0, _idle, _iowait, irq = 0, softirq = 0, steal = 0] = (
    /^cpu +(.*)$/m.exec(stat)?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0);
  return {
    cpuNanoseconds: (user + nice + system + irq + softirq + steal) * TICK_NANOSECONDS,
    workingSetBytes: (kilobytes('MemTotal') - kilobytes('MemAvailable')) * 1024,
    ...(pressure && { pressure }),
  };
}

/** Empty when there is no such file: a container need not have a machine id. */
async function textOf(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
