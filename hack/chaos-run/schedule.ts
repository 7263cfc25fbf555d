import { type Random, seededRandom } from '#machinery/random.ts';

/** Programs that can be killed or stopped on a host, as test/harness/roles.ts tells them apart. */
export type Role = 'agent' | 'server' | 'helper' | 'monitor' | 'up' | 'etcd';

/** What goes wrong. Hosts are `h1` to `hN`, the servers first. Without `forMs` it is over at once. */
export type Fault =
  | { kind: 'kill'; host: string; role: Role }
  | { kind: 'freeze'; host: string; role: Role; forMs: number }
  | { kind: 'pause'; host: string; forMs: number }
  | { kind: 'power'; host: string; forMs: number }
  | { kind: 'unplug'; host: string; forMs: number }
  | { kind: 'cut'; host: string; other: string; oneWay: boolean; forMs: number }
  /** The hosts of a side reach each other, and nobody else; with each host a side of its own nobody reaches anybody. */
  | { kind: 'partition'; sides: string[][]; forMs: number }
  | { kind: 'lossy'; host: string; percent: number; forMs: number }
  | { kind: 'delay'; delayMs: number; jitterMs: number; forMs: number }
  | { kind: 'fill'; host: string; forMs: number }
  /** No fault, but something to do: all pods of a Deployment are replaced. */
  | { kind: 'rollout' };

export interface Event {
  atMs: number;
  fault: Fault;
}

export interface Plan {
  /** From the first event to the end of the last one. */
  durationMs: number;
  hosts: number;
  servers: number;
}

/** Who may not be hit again before what hit them is over and they have come back. */
type Part = 'servers' | 'workers' | 'wires';

/** From the end of a fault until the part that it hit is back: an etcd has elected, a node is Ready. */
const RECOVERY_MS = 8_000;
const FIRST_MS = 3_000;
const GAP_MS = [1_000, 5_000] as const;
/** Faults that are drawn for a time before it is passed over: nobody may be free to be hit. */
const DRAWS = 8;

/** How often each kind is tried. */
const WEIGHTS: readonly [Fault['kind'], number][] = [
  ['kill', 5],
  ['freeze', 3],
  ['pause', 2],
  ['power', 4],
  ['unplug', 3],
  ['cut', 3],
  ['partition', 3],
  ['lossy', 2],
  ['delay', 1],
  ['fill', 3],
  ['rollout', 1],
];

/** Programs on every host, and those that only servers run. */
const NODE_ROLES: readonly Role[] = ['agent', 'helper', 'monitor', 'up'];
const SERVER_ROLES: readonly Role[] = ['server', 'etcd', 'up'];

/**
 * The whole run, from the seed alone. So bounded that the cluster can serve: of the servers at most one is hit at a time (or
 * all are parted from each other, for a moment), of the other hosts one, and all faults are over at the end.
 */
export function timeline(seed: number, plan: Plan): Event[] {
  const chance = new Chance(seededRandom(seed));
  const free: Record<Part, number> = { servers: 0, workers: 0, wires: 0 };
  const events: Event[] = [];
  for (let atMs = FIRST_MS; atMs < plan.durationMs; atMs += chance.between(...GAP_MS)) {
    const fits = (fault: Fault) => {
      const part = partOf(fault, plan);
      return atMs + durationOf(fault) <= plan.durationMs && (!part || free[part] <= atMs);
    };
    const fault = Array.from({ length: DRAWS }, () => draw(chance, plan)).find(fits);
    if (!fault) continue;
    events.push({ atMs, fault });
    const part = partOf(fault, plan);
    if (part) free[part] = atMs + durationOf(fault) + RECOVERY_MS;
  }
  return events;
}

/** How long a fault lasts by itself. */
export function durationOf(fault: Fault): number {
  return 'forMs' in fault ? fault.forMs : 0;
}

function draw(chance: Chance, { hosts, servers }: Plan): Fault {
  const names = Array.from({ length: hosts }, (_, at) => `h${at + 1}`);
  const kind = chance.weighted(WEIGHTS);
  const host = chance.pick(names);
  const isServer = names.indexOf(host) < servers;
  switch (kind) {
    case 'kill':
      return { kind, host, role: chance.pick(isServer ? [...NODE_ROLES, ...SERVER_ROLES] : NODE_ROLES) };
    case 'freeze':
      return {
        ...{ kind, host, forMs: chance.between(2_000, 9_000) },
        role: chance.pick(isServer ? SERVER_ROLES : NODE_ROLES),
      };
    case 'pause':
      return { kind, host, forMs: chance.between(2_000, 12_000) };
    case 'power':
      return { kind, host, forMs: chance.between(1_000, 15_000) };
    case 'unplug':
      return { kind, host, forMs: chance.between(2_000, 15_000) };
    case 'cut': {
      const other = chance.pick(names.filter((name) => name !== host));
      return { kind, host, other, oneWay: chance.below(3) === 0, forMs: chance.between(2_000, 15_000) };
    }
    case 'partition':
      return { kind, sides: sidesOf(chance, names, servers), forMs: chance.between(3_000, 10_000) };
    case 'lossy':
      return { kind, host, percent: chance.between(5, 40), forMs: chance.between(3_000, 12_000) };
    case 'delay': {
      const delayMs = chance.between(5, 60);
      return { kind, delayMs, jitterMs: chance.between(0, delayMs), forMs: chance.between(5_000, 15_000) };
    }
    case 'fill':
      return { kind, host, forMs: chance.between(2_000, 10_000) };
    case 'rollout':
      return { kind };
  }
}

/** A minority of the servers with some of the others, or, one time in four, every host alone. */
function sidesOf(chance: Chance, names: readonly string[], servers: number): string[][] {
  if (chance.below(4) === 0) return names.map((name) => [name]);
  const few = Math.max(1, Math.floor((servers - 1) / 2));
  const minority = chance.shuffled(names.slice(0, servers)).slice(0, few);
  const others = names.slice(servers).filter(() => chance.below(3) === 0);
  const side = [...minority, ...others].sort();
  return [side, names.filter((name) => !side.includes(name))];
}

/** Undefined: it takes nobody away. */
function partOf(fault: Fault, { servers }: Plan): Part | undefined {
  const isServer = (name: string) => Number(name.slice(1)) <= servers;
  const hostPart = (name: string) => (isServer(name) ? 'servers' : 'workers');
  switch (fault.kind) {
    case 'rollout':
      return undefined;
    case 'kill':
      // The others are back in a moment, and what they hold up runs on meanwhile.
      return fault.role === 'server' || fault.role === 'etcd' || fault.role === 'up'
        ? hostPart(fault.host)
        : undefined;
    case 'delay':
      return 'wires';
    case 'partition':
      return 'servers';
    case 'cut':
      return isServer(fault.host) || isServer(fault.other) ? 'servers' : 'workers';
    default:
      return hostPart(fault.host);
  }
}

/** A line for people: `power h2 for 8.1 s`. */
export function describe(fault: Fault): string {
  const time = 'forMs' in fault ? ` for ${(fault.forMs / 1000).toFixed(1)} s` : '';
  return `${fault.kind} ${target(fault)}`.trimEnd() + time;
}

function target(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'freeze':
      return `${fault.role} on ${fault.host}`;
    case 'cut':
      return `${fault.host} ${fault.oneWay ? 'to' : 'and'} ${fault.other}`;
    case 'partition':
      return fault.sides.map((side) => side.join('+')).join(' | ');
    case 'lossy':
      return `${fault.host} ${fault.percent} %`;
    case 'delay':
      return `all ${fault.delayMs} ms, ${fault.jitterMs} ms more or less`;
    case 'rollout':
      return '';
    default:
      return fault.host;
  }
}

/** Draws from a Random, in whole numbers. */
class Chance {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  shuffled<T>(values: readonly T[]): T[] {
    const keyed = values.map((value) => ({ value, key: this.#random.next() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value);
  }

  weighted<T>(choices: readonly (readonly [T, number])[]): T {
    let left = this.below(choices.reduce((sum, [, weight]) => sum + weight, 0));
    return choices.find(([, weight]) => {
      left -= weight;
      return left < 0;
    })![0];
  }
}
