import { readFileSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type { NodeUse } from '#api/node-link.ts';
import { readPressure } from '#runtime/pressure.ts';
import type { Readings } from '../eviction/thresholds.ts';

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
  /** How many processes and threads there may be at a time. */
  pids: number;
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

export async function readMachine(directory: string): Promise<Machine> {
  const [release, machineId, disk] = await Promise.all([
    textOf('/etc/os-release'),
    textOf('/etc/machine-id'),
    statfs(directory),
  ]);
  return {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    kernelVersion: kernelText('/proc/sys/kernel/osrelease'),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? 'Linux',
    machineId,
    bootId: kernelText('/proc/sys/kernel/random/boot_id'),
    storageBytes: disk.blocks * disk.bsize,
    pids: mostPids(),
  };
}

/** A look at what runs short, `directory` being on the file system of pods and images. */
export async function readSignals(directory: string): Promise<Readings> {
  const disk = await statfs(directory);
  const pids = mostPids();
  const [meminfo, load] = [kernelText('/proc/meminfo'), kernelText('/proc/loadavg')];
  const available = Number(/^MemAvailable: +(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const threads = Number(/ \d+\/(\d+) /.exec(load)?.[1] ?? 0);
  const bytes = { available: disk.bavail * disk.bsize, capacity: disk.blocks * disk.bsize };
  // Some file systems make inodes as they are needed, and count none.
  const inodes = disk.files > 0 ? { available: disk.ffree, capacity: disk.files } : undefined;
  return {
    'memory.available': { available, capacity: totalmem() },
    'nodefs.available': bytes,
    'imagefs.available': bytes,
    ...(inodes && { 'nodefs.inodesFree': inodes, 'imagefs.inodesFree': inodes }),
    'pid.available': { available: Math.max(0, pids - threads), capacity: pids },
  };
}

/** Source: proc(5): the lesser of pid_max and threads-max, as the kubelet has it. */
function mostPids(): number {
  const limits = ['pid_max', 'threads-max'].map((name) => kernelText(`/proc/sys/kernel/${name}`));
  return Math.min(...limits.map(Number));
}

/** Of a file that the kernel makes up: to have a thread read it takes five waits, each longer than the reading. */
function kernelText(path: string): string {
  return readFileSync(path, 'utf8').trim();
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
