/**
 * Random work for a store, as data: what is done is written without revisions (`back` counts from the newest that
 * anybody has seen), so that a program stays meaningful when steps are taken out of it.
 */
import { nameSuffix, type Random } from '#machinery/random.ts';

export type Expect = 'any' | 'known' | 'absent' | 'wrong';

export interface Write {
  op: 'put' | 'delete' | 'check';
  key: string;
  expect: Expect;
  /** Position in the list of leases that were granted. */
  lease?: number;
}

export type Step = { client: number } & (
  | { do: 'commit'; writes: Write[]; text: string }
  | { do: 'get'; key: string; back: number | undefined }
  | { do: 'list'; prefix: string; back: number | undefined; limit: number | undefined; after?: string }
  | { do: 'watch'; prefix: string; back: number | undefined }
  | { do: 'unwatch'; index: number }
  | { do: 'compact'; back: number }
  | { do: 'grant'; ttlMs: number }
  | { do: 'renew'; index: number }
  | { do: 'revoke'; index: number }
);

/** Steps that clients do at the same time; time moves on after them, then all is compared. */
export interface Round {
  steps: Step[];
  advanceMs: number;
}

const CLIENTS = 8;
const STEPS_A_ROUND = 50;
const PREFIXES = ['', '/a/', '/b/', '/a/1', '/none/'];
/** Among them keys whose order by bytes is not that of UTF-16. */
const KEYS = [
  ...Array.from({ length: 12 }, (_, i) => `/a/${i}`),
  ...Array.from({ length: 8 }, (_, i) => `/b/${i}`),
  ...['/c/é', '/c/\uffee', '/c/\u{1f600}', '/c/z'],
];

/** One round of a program; the same `random` gives the same. */
export function makeRound(random: Random): Round {
  const steps = Array.from({ length: STEPS_A_ROUND }, () => makeStep(random));
  return { steps, advanceMs: random.next() < 0.2 ? whole(random, 2_000) : 0 };
}

function makeStep(random: Random): Step {
  const client = whole(random, CLIENTS);
  const chance = random.next();
  const back = random.next() < 0.5 ? undefined : whole(random, 60);
  if (chance < 0.55) return { client, do: 'commit', writes: makeWrites(random), text: nameSuffix(random, 8) };
  if (chance < 0.75) return { client, do: 'get', key: pick(random, KEYS), back };
  if (chance < 0.87) return { client, do: 'list', ...makeList(random), back };
  if (chance < 0.92) return { client, do: 'watch', prefix: pick(random, PREFIXES), back };
  if (chance < 0.96) return { client, do: 'unwatch', index: whole(random, 100) };
  if (chance < 0.97) return { client, do: 'compact', back: whole(random, 80) };
  if (chance < 0.98) return { client, do: 'grant', ttlMs: 200 + whole(random, 3_000) };
  return { client, do: chance < 0.995 ? 'renew' : 'revoke', index: whole(random, 100) };
}

function makeList(random: Random): { prefix: string; limit: number | undefined; after?: string } {
  const limit = random.next() < 0.5 ? undefined : 1 + whole(random, 6);
  const after = random.next() < 0.3 ? { after: pick(random, KEYS) } : {};
  return { prefix: pick(random, PREFIXES), limit, ...after };
}

function makeWrites(random: Random): Write[] {
  const count = random.next() < 0.6 ? 1 : 1 + whole(random, 4);
  const keys = new Set(Array.from({ length: count }, () => pick(random, KEYS)));
  return [...keys].map((key) => makeWrite(random, key));
}

function makeWrite(random: Random, key: string): Write {
  const chance = random.next();
  const op = chance < 0.65 ? 'put' : chance < 0.9 ? 'delete' : 'check';
  const guard = random.next();
  const expect =
    guard < 0.05 ? 'wrong' : guard < 0.15 ? 'absent' : guard < 0.45 || op === 'check' ? 'known' : 'any';
  const leased = op === 'put' && random.next() < 0.05;
  return { op, key, expect, ...(leased && { lease: whole(random, 100) }) };
}

function whole(random: Random, below: number): number {
  return Math.floor(random.next() * below);
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[whole(random, items.length)]!;
}
