import type { NodeUse, PodUse, PressureUse } from '#api/node-link.ts';
import { Family, labelText } from '#machinery/metrics/exposition.ts';

interface Metric {
  name: string;
  help: string;
  type: 'counter' | 'gauge';
}

type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number];

/** What cgroups count, under cAdvisor's names and labels: a whole pod has no container, the machine the id `/`. */
export function formatUse({ machine, pods }: NodeUse): string {
  const groups = [...pods.flatMap(groupsOf)];
  const of = (value: (group: Group) => number | undefined): Sample[] =>
    groups.flatMap(({ labels, ...group }) => {
      const found = value({ labels, ...group });
      return found === undefined ? [] : [[labels, found]];
    });
  const node: Labels = { id: '/' };
  return [
    metric(METRICS.cpu, [[node, machine.cpuNanoseconds / 1e9], ...of(({ use }) => use.cpuNanoseconds / 1e9)]),
    metric(
      METRICS.memory,
      of(({ use }) => use.memoryBytes),
    ),
    metric(METRICS.workingSet, [[node, machine.workingSetBytes], ...of(({ use }) => use.workingSetBytes)]),
    metric(
      METRICS.processes,
      of(({ use }) => use.pids),
    ),
    metric(
      METRICS.oom,
      of(({ use }) => use.oomKills),
    ),
    ...(['cpu', 'memory', 'io'] as const).flatMap((resource) =>
      (['some', 'full'] as const).map((kind) => {
        const seconds = (pressure: PressureUse | undefined) =>
          pressure && pressure[resource][kind].totalUs / 1e6;
        const whole = seconds(machine.pressure);
        return metric(pressureMetric(resource, kind), [
          ...(whole === undefined ? [] : [[node, whole] as Sample]),
          ...of(({ use }) => seconds(use.pressure)),
        ]);
      }),
    ),
  ].join('');
}

/** Bytes of images since the agent's start. */
export interface ImageBytes {
  /** Taken from other nodes. */
  peers: number;
  /** Taken from registries. */
  registry: number;
  /** Given to other nodes. */
  sent: number;
}

/** What the agent counts of itself. */
export function formatImageBytes({ peers, registry, sent }: ImageBytes): string {
  const received = {
    name: 'gantry_image_received_bytes_total',
    help: 'Bytes of images that came over the network, by where they came from.',
    type: 'counter' as const,
  };
  const given = {
    name: 'gantry_image_sent_bytes_total',
    help: 'Bytes of images that other nodes got of this one.',
    type: 'counter' as const,
  };
  return [
    metric(received, [
      [{ source: 'peer' }, peers],
      [{ source: 'registry' }, registry],
    ]),
    metric(given, [[{}, sent]]),
  ].join('');
}

interface Group {
  labels: Labels;
  use: PodUse['containers'][number] | NonNullable<PodUse['whole']>;
}

function groupsOf({ namespace, name, whole, containers }: PodUse): Group[] {
  const pod = { namespace, pod: name };
  return [
    ...(whole ? [{ labels: { ...pod, container: '' }, use: whole }] : []),
    ...containers.map((use) => ({ labels: { ...pod, container: use.name }, use })),
  ];
}

const METRICS: Record<'cpu' | 'memory' | 'workingSet' | 'processes' | 'oom', Metric> = {
  cpu: {
    name: 'container_cpu_usage_seconds_total',
    help: 'Cumulative cpu time consumed in seconds.',
    type: 'counter',
  },
  memory: {
    name: 'container_memory_usage_bytes',
    help: 'Memory in use in bytes, page cache included.',
    type: 'gauge',
  },
  workingSet: {
    name: 'container_memory_working_set_bytes',
    help: 'Memory in use in bytes that cannot be given back at once.',
    type: 'gauge',
  },
  processes: { name: 'container_processes', help: 'Processes and threads.', type: 'gauge' },
  oom: {
    name: 'container_oom_events_total',
    help: 'Processes killed for want of memory.',
    type: 'counter',
  },
};

/** `waiting` = some task waited, `stalled` = all did. Source: Kubernetes, "Understanding PSI metrics". */
function pressureMetric(resource: 'cpu' | 'memory' | 'io', kind: 'some' | 'full'): Metric {
  const word = kind === 'some' ? 'waiting' : 'stalled';
  return {
    name: `container_pressure_${resource}_${word}_seconds_total`,
    help: `Time in seconds that ${kind === 'some' ? 'at least one task' : 'all tasks'} waited for ${resource}.`,
    type: 'counter',
  };
}

function metric({ name, help, type }: Metric, samples: readonly Sample[]): string {
  const family = new Family(name, type, help);
  for (const [labels, value] of samples) family.value(labelText(labels), value);
  return family.text();
}
