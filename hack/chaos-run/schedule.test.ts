import { expect, test } from 'vitest';
import { durationOf, type Event, describe as line, timeline } from './schedule.ts';

const PLAN = { durationMs: 600_000, hosts: 5, servers: 3 };
const SEEDS = Array.from({ length: 40 }, (_, at) => at);

test('a seed is a run: the same one each time, another with another seed', () => {
  expect(timeline(7, PLAN)).toEqual(timeline(7, PLAN));
  expect(timeline(7, PLAN)).not.toEqual(timeline(8, PLAN));
  // A longer run begins as the shorter one does, as far as that one's faults end in time.
  const short = timeline(7, { ...PLAN, durationMs: 60_000 });
  expect(timeline(7, PLAN).slice(0, short.length - 3)).toEqual(short.slice(0, -3));
});

test('every kind comes, and all are over at the end', () => {
  const all = SEEDS.flatMap((seed) => timeline(seed, PLAN));
  expect([...new Set(all.map(({ fault }) => fault.kind))].sort()).toEqual(
    [
      'cut',
      'delay',
      'fill',
      'freeze',
      'kill',
      'lossy',
      'partition',
      'pause',
      'power',
      'rollout',
      'unplug',
    ].sort(),
  );
  for (const { atMs, fault } of all) expect(atMs + durationOf(fault)).toBeLessThanOrEqual(PLAN.durationMs);
  const roles = new Set(all.flatMap(({ fault }) => (fault.kind === 'kill' ? [fault.role] : [])));
  expect([...roles].sort()).toEqual(['agent', 'etcd', 'helper', 'monitor', 'server', 'up']);
});

test('never are two servers hit at once, nor two of the other hosts', () => {
  const hostsOf = ({ fault }: Event): string[] => {
    if (fault.kind === 'cut') return [fault.host, fault.other];
    // Back in a moment, and what they hold up runs on.
    if (fault.kind === 'kill' && ['agent', 'helper', 'monitor'].includes(fault.role)) return [];
    return 'host' in fault ? [fault.host] : [];
  };
  const isServer = (name: string) => Number(name.slice(1)) <= PLAN.servers;
  for (const seed of SEEDS) {
    const events = timeline(seed, PLAN);
    for (const [at, one] of events.entries())
      for (const other of events.slice(at + 1)) {
        const overlaps = other.atMs < one.atMs + durationOf(one.fault);
        if (!overlaps) continue;
        const servers = [one, other].filter(
          (event) => event.fault.kind === 'partition' || hostsOf(event).some(isServer),
        );
        expect(servers.length, `${seed}: ${line(one.fault)}, ${line(other.fault)}`).toBeLessThan(2);
        const workers = [one, other].filter(
          (event) => hostsOf(event).length > 0 && !hostsOf(event).some(isServer),
        );
        expect(workers.length, `${seed}: ${line(one.fault)}, ${line(other.fault)}`).toBeLessThan(2);
      }
  }
});

test('a partition has a minority of the servers on one side, or everybody alone', () => {
  const all = SEEDS.flatMap((seed) => timeline(seed, PLAN)).flatMap(({ fault }) =>
    fault.kind === 'partition' ? [fault.sides] : [],
  );
  const shapes = new Set(
    all.map((sides) => sides.map((side) => side.filter((name) => Number(name.slice(1)) <= 3).length).join()),
  );
  expect([...shapes].sort()).toEqual(['1,1,1,0,0', '1,2']);
});

test('a fault is told in a line', () => {
  expect(line({ kind: 'power', host: 'h2', forMs: 8_130 })).toBe('power h2 for 8.1 s');
  expect(line({ kind: 'kill', host: 'h2', role: 'etcd' })).toBe('kill etcd on h2');
  expect(line({ kind: 'partition', sides: [['h1', 'h4'], ['h2']], forMs: 1_000 })).toBe(
    'partition h1+h4 | h2 for 1.0 s',
  );
  expect(line({ kind: 'rollout' })).toBe('rollout');
});
