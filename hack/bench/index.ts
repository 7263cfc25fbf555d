import { api } from './api.ts';
import { cluster } from './cluster.ts';
import { etcd } from './etcd.ts';
import { failover } from './failover.ts';
import { fleet } from './fleet.ts';
import { large } from './large.ts';
import { network } from './network.ts';
import { nodes } from './nodes.ts';
import { runtime } from './runtime.ts';
import { servers } from './servers.ts';
import { store } from './store.ts';
import { formatMeasure, type Measure, type Section } from './table.ts';
import { tunnel } from './tunnel.ts';

const SECTIONS: Record<string, Section> = {
  store,
  etcd,
  api,
  large,
  runtime,
  network,
  cluster,
  nodes,
  servers,
  failover,
  fleet,
  tunnel,
};

const USAGE = `npm run bench [-- section...] [--json]

Measures and prints one table: each line with the mark it is to reach and, where there is one, a floor or peer measured
in the same run. It never fails on a time. Sections: ${Object.keys(SECTIONS).join(', ')}.
Build first (npm run build). The cluster runs in a network namespace of its own; it needs root.
`;

async function main(args: string[]): Promise<void> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return;
  }
  const names = args.filter((arg) => !arg.startsWith('--'));
  const all: Measure[] = [];
  for (const [name, section] of Object.entries(SECTIONS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    if (!args.includes('--json')) console.log(`\n${name}`);
    await section((measure) => {
      all.push(measure);
      if (!args.includes('--json')) console.log(formatMeasure(measure));
    });
  }
  if (args.includes('--json')) console.log(JSON.stringify(all, null, 2));
}

await main(process.argv.slice(2));
