import { parseArgs } from 'node:util';
import { findings } from './checks.ts';
import { ChaosCluster, type Size } from './cluster.ts';
import { lineOf, play } from './play.ts';
import { availability, faultRows, type Timed, table } from './report.ts';
import { type Event, timeline } from './schedule.ts';

const USAGE = `hack/chaos [--minutes M] [--seed N] [--hosts N] [--servers N] [--keep] [--dry-run] [-o json]

Makes a cluster of hosts (hack/hosts) with several servers on an etcd of as many members, writes numbered records through a
Service into volumes and numbered objects through the API, and breaks the cluster all the while: kills, power cuts, pauses, cut
wires, partitions, loss, delays, full disks. Then all is healed, and everything that was acknowledged must be there.

  --minutes M   how long faults come (default 5)
  --seed N      which faults come, and when: the same seed is the same run (default: another one each time)
  --hosts N     hosts of the cluster, at least 4 (default 5)
  --servers N   of them servers, 3 or 5 (default 3)
  --keep        leave the hosts as they are when something is found (hack/hosts list; hack/hosts down)
  --dry-run     only print what would happen
  -o json       the outcome as JSON on standard output, and all else on standard error

It ends with 1 when something is found. Logs of all programs are in the lab's directory until its end.
`;

/** What is asked for makes no sense. */
class UsageError extends Error {}

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  minutes: { type: 'string', default: '5' },
  seed: { type: 'string' },
  hosts: { type: 'string', default: '5' },
  servers: { type: 'string', default: '3' },
  keep: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  output: { type: 'string', short: 'o' },
} as const;

function whole(text: string, what: string, from: number, to: number): number {
  if (!/^\d+$/.test(text) || Number(text) < from || Number(text) > to)
    throw new UsageError(`${what} is a whole number from ${from} to ${to}`);
  return Number(text);
}

const say = (line: string) => void process.stderr.write(`${line}\n`);

interface Outcome {
  seed: number;
  findings: string[];
  seen: Timed[];
  startedAt: number;
}

async function chaos(seed: number, events: readonly Event[], size: Size, keep: boolean): Promise<Outcome> {
  const cluster = await ChaosCluster.create(size);
  say(`lab ${cluster.lab.id}, logs in ${cluster.logs}`);
  let found: string[] = ['it broke off'];
  try {
    await cluster.start();
    cluster.startClient();
    const startedAt = Date.now();
    await play(events, cluster, say);
    say('all is healed');
    const { seen, held } = await cluster.outcome();
    found = findings(seen, held);
    return { seed, findings: found, seen, startedAt };
  } finally {
    if (keep && found.length > 0) {
      cluster.release();
      say(`kept: GANTRY_LAB=${cluster.lab.id} hack/hosts list`);
    } else found.push(...(await cluster.remove()).map((trace) => `left behind: ${trace}`));
  }
}

function report(
  { seed, findings: found, seen, startedAt }: Outcome,
  events: readonly Event[],
  json: boolean,
): void {
  const totals = { records: availability(seen, 'record'), writes: availability(seen, 'create') };
  const rows = faultRows(events, startedAt, seen);
  if (json) {
    console.log(
      JSON.stringify({ seed, findings: found, totals, faults: rows, timeline: events }, undefined, 2),
    );
    return;
  }
  console.log(table(rows, totals));
  for (const one of found) console.log(`FOUND ${one}`);
  console.log(
    found.length === 0 ? `nothing is missing (seed ${seed})` : `${found.length} found (seed ${seed})`,
  );
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const durationMs = whole(values.minutes, '--minutes', 1, 24 * 60) * 60_000;
  const size = {
    hosts: whole(values.hosts, '--hosts', 4, 20),
    servers: whole(values.servers, '--servers', 3, 5),
  };
  if (size.servers === 4 || size.servers >= size.hosts)
    throw new UsageError('--servers is 3 or 5, and fewer than the hosts');
  const seed = whole(values.seed ?? `${Date.now() % 1_000_000}`, '--seed', 0, 2 ** 32 - 1);
  const events = timeline(seed, { durationMs, ...size });
  say(`seed ${seed}: ${events.length} events in ${values.minutes} minutes`);
  if (values['dry-run']) {
    for (const event of events) say(lineOf(event));
    return 0;
  }
  const outcome = await chaos(seed, events, size, values.keep);
  report(outcome, events, values.output === 'json');
  return outcome.findings.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!(error instanceof UsageError) && !code?.startsWith('ERR_PARSE_ARGS')) throw error;
  say(`hack/chaos: ${message}`);
  process.exitCode = 2;
}
