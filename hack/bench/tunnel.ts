import { TestCluster } from '#test/harness/cluster.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';
import { TestMachine } from '#test/harness/machine.ts';
import { eventually, mustRun } from '#test/harness/run.ts';
import { percentile, type Section } from './table.ts';

/** Of the wire from the node to the server, where the copies stand in a queue. */
const WIRES = [
  { what: '20 Mbit/s', shape: 'rate 20mbit burst 16kb latency 20ms', lossPercent: 0 },
  { what: '20 Mbit/s, 1 % lost', shape: 'rate 20mbit burst 16kb latency 20ms', lossPercent: 1 },
];

interface Typed {
  alone: number[];
  apart: number[];
  shared: number[];
  megabytesPerSecond: number;
}

/** What a keystroke through `exec` waits for four copies at full speed, in a connection of its own and in theirs, as all streams were once. */
export const tunnel: Section = async (report) => {
  const lab = new Lab({ hosts: 2 });
  const [one, two] = lab.hosts as [LabHost, LabHost];
  const cluster = new TestCluster(one);
  const node = new TestMachine(two, 'node-2');
  try {
    await lab.create();
    await cluster.up();
    node.start(JSON.parse(await cluster.gantry(['token', 'create', '-o', 'json'])).command);
    const wait = ['wait', '--for=condition=Ready', 'node/node-2', '--timeout=1s'];
    await eventually(
      'it is Ready',
      async () => ((await cluster.kubectl(wait)).code === 0 ? true : undefined),
      {
        timeoutMs: 60_000,
      },
    );
    await cluster.loadImages(['gantry/busybox:1']);
    await node.gantry(['image', 'import', 'dist/images/gantry-busybox-1.tar']);
    const overrides = JSON.stringify({ spec: { nodeName: 'node-2' } });
    const args = [
      'run',
      'typed',
      '--image=gantry/busybox:1',
      '--overrides',
      overrides,
      '--',
      'sleep',
      '3600',
    ];
    await cluster.must(args);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/typed', '--timeout=30s']);
    const script = new URL('./keystroke-load.ts', import.meta.url).pathname;
    for (const { what, shape, lossPercent } of WIRES) {
      await mustRun(
        ...two.inside('tc', ['qdisc', 'replace', 'dev', 'uplink', 'root', 'tbf', ...shape.split(' ')]),
      );
      if (lossPercent > 0) await lab.fault(two, one, { kind: 'lossy', percent: lossPercent });
      const [command, all] = one.inside(process.execPath, [script, cluster.kubeconfig, 'typed']);
      const typed = JSON.parse(await mustRun(command, all, { timeoutMs: 300_000 })) as Typed;
      for (const [where, times] of [
        ['in its own connection', typed.apart],
        ['in theirs', typed.shared],
      ] as const)
        for (const share of [0.5, 0.99])
          report({
            what: `a key beside 4 copies ${where}, ${what}, p${share * 100}`,
            value: percentile(times, share),
            unit: 'ms',
            floor: { what: 'with nothing beside it', value: percentile(typed.alone, share) },
          });
      report({
        what: `MB/s that the copies get together, ${what}`,
        value: typed.megabytesPerSecond,
        unit: '/s',
      });
    }
  } finally {
    await node.destroy();
    await cluster.destroy();
    await lab.remove();
  }
};
