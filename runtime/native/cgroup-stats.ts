import { readFile } from 'node:fs/promises';
import type { ContainerStats } from '../contract.ts';
import { readPressure } from '../pressure.ts';
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
    layout.unified && readPressure((name) => readFile(`${layout.unified}/${path}/${name}.pressure`, 'utf8')),
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
