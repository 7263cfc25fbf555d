import { expect, test } from 'vitest';
import type { GroupUse, NodeUse } from '#api/node-link.ts';
import { formatImageBytes, formatUse } from './metrics.ts';

const line = (totalUs: number) => ({ avg10: 0, avg60: 0, avg300: 0, totalUs });
const pressure = (totalUs: number) => {
  const both = { some: line(totalUs), full: line(totalUs / 2) };
  return { cpu: both, memory: both, io: both };
};
const use: GroupUse = {
  cpuNanoseconds: 1_500_000_000,
  memoryBytes: 2048,
  workingSetBytes: 1024,
  pids: 3,
  oomKills: 1,
};

test('what is used is told in cAdvisor’s names, a whole pod without a container, the machine as /', () => {
  const { oomKills, ...whole } = use;
  const node: NodeUse = {
    machine: { cpuNanoseconds: 9_000_000_000, workingSetBytes: 4096, pressure: pressure(4_000_000) },
    pods: [
      {
        ...{ namespace: 'shop', name: 'web', whole: { ...whole, oomKills } },
        containers: [{ name: 'main', ...use, pressure: pressure(250_000) }],
      },
    ],
  };
  const lines = formatUse(node).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      '# TYPE container_cpu_usage_seconds_total counter',
      'container_cpu_usage_seconds_total{id="/"} 9',
      'container_cpu_usage_seconds_total{namespace="shop",pod="web",container=""} 1.5',
      'container_oom_events_total{namespace="shop",pod="web",container="main"} 1',
      'container_memory_working_set_bytes{namespace="shop",pod="web",container="main"} 1024',
      'container_pressure_memory_waiting_seconds_total{id="/"} 4',
      'container_pressure_io_stalled_seconds_total{namespace="shop",pod="web",container="main"} 0.125',
    ]),
  );
  for (const name of new Set(lines.flatMap((one) => /^(container_\w+)\{/.exec(one)?.[1] ?? [])))
    expect(lines.filter((one) => one.startsWith(`# TYPE ${name} `))).toHaveLength(1);
});

test('a kernel without pressure has no series of it', () => {
  expect(formatUse({ machine: { cpuNanoseconds: 0, workingSetBytes: 0 }, pods: [] })).not.toMatch(
    /^container_pressure/m,
  );
});

test('bytes of images are told by where they came from', () => {
  expect(formatImageBytes({ peers: 5, registry: 7, sent: 9 }).split('\n')).toEqual(
    expect.arrayContaining([
      'gantry_image_received_bytes_total{source="peer"} 5',
      'gantry_image_received_bytes_total{source="registry"} 7',
      'gantry_image_sent_bytes_total 9',
    ]),
  );
});
