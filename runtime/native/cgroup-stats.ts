import { readFile } from 'node:fs/promises';
import type { ContainerStats, Pressure, PressureLine } from '../contract.ts';
import type { CgroupLayout, Controller } from './cgroup-layout.ts';

/** Usage of the group at `path` with everything below it; rejects with ENOENT when it is gone. */
export async function readCgroupStats(layout: CgroupLayout, path: string): Promise<ContainerStats> {
  const read = async (controller: Controller, file: string) =>
    await readFile(`${layout.controllers.get(controller)}/${path}/${file}`, 'utf8');
  const has = (controller: Controller) => layout.inUnified.has(controller);
  const v2 = has('memory');
  const [cpu, usage, memory, events, pids, pressure] = await Promise.all([
    has('cpuacct') ? read('cpuacct', 'cpu.stat') : read('cpuacct', 'cpuacct.usage'),
    read('memory', v2 ? 'memory.current' : 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('memory', v2 ? 'memory.events' : 'memory.oom_control'),
    read('pids', 'pids.current'),
    readPressure(layout, path),
  ]);
  const memoryBytes = Number(usage);
  const inactive = keyed(memory, v2 ? 'inactive_file' : 'total_inactive_file');
  return {
    cpuNs: has('cpuacct') ? keyed(cpu, 'usage_usec') * 1000 : Number(cpu),
    memoryBytes,
    memoryWorkingSetBytes: Math.max(0, memoryBytes - inactive),
    pids: Number(pids),
    oomKills: keyed(events, 'oom_kill'),
    ...(pressure && { pressure }),
  };
}

function keyed(text: string, key: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${key} `));
  return line ? Number(line.slice(key.length + 1)) : 0;
}

const RESOURCES = ['cpu', 'memory', 'io'] as const;

/** Undefined where the kernel keeps none (psi=0, cgroup v1 alone). */
async function readPressure({ unified }: CgroupLayout, path: string): Promise<Pressure | undefined> {
  if (!unified) return undefined;
  try {
    const texts = RESOURCES.map((name) => readFile(`${unified}/${path}/${name}.pressure`, 'utf8'));
    const [cpu, memory, io] = (await Promise.all(texts)).map(parsePressure);
    return { cpu: cpu!, memory: memory!, io: io! };
  } catch (error) {
    // ENOENT: no such files, or the group is gone, which the others tell; EOPNOTSUPP: switched off for the group.
    if (['ENOENT', 'EOPNOTSUPP', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

/** Source: kernel documentation, "PSI": `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. */
export function parsePressure(text: string): Pressure[keyof Pressure] {
  return { some: line(text, 'some'), full: line(text, 'full') };
}

function line(text: string, kind: 'some' | 'full'): PressureLine {
  const found = new RegExp(`^${kind} (.*)$`, 'm').exec(text)?.[1] ?? '';
  const value = (name: string) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(found)?.[1] ?? 0);
  return {
    avg10: value('avg10'),
    avg60: value('avg60'),
    avg300: value('avg300'),
    totalUs: value('total'),
  };
}
