import { Ledger } from '#test/harness/ledger.ts';
import type { Line } from './api-writer.ts';

/** What is there when everything is healed. */
export interface Held {
  /** `w1-17`, of every host's volume. */
  records: ReadonlySet<string>;
  /** Names of the numbered objects, and the counters with what they hold. */
  objects: ReadonlyMap<string, number>;
  /** Why the cluster is not well again; a line for each. */
  unwell: readonly string[];
  /** Pods of which a second one was started while the first one ran. */
  twice: readonly string[];
  /** What no pod of the API accounts for, or a pod that is on no host. */
  stray: readonly string[];
}

const MAX_LISTED = 20;

/** What is wrong; nothing, when every promise was kept. */
export function findings(lines: readonly Line[], held: Held): string[] {
  const records = new Ledger();
  const objects = new Ledger();
  const broken: string[] = [];
  for (const line of lines) {
    if (line.op === 'broken') broken.push(`${line.writer}: ${line.why}`);
    else if (line.ok && line.op === 'record') records.acknowledge(`${line.writer}-${line.n}`, line.n);
    else if (line.ok && line.op === 'create') objects.acknowledge(`${line.writer}-${line.n}`, line.n);
    else if (line.ok && line.op === 'count') objects.acknowledge(`counter-${line.writer}`, line.n);
  }
  const there = new Map([...held.records].map((name) => [name, Number(name.split('-')[1])]));
  return [
    ...few('a record is lost', records.lost(there)),
    ...few('a write is lost', objects.lost(held.objects)),
    ...few('a promise is broken', broken),
    ...few('a pod ran twice', held.twice),
    ...few('a process is not as the API says', held.stray),
    ...held.unwell,
    // A run in which nothing was acknowledged shows nothing.
    ...(records.size === 0 ? ['no record was acknowledged'] : []),
    ...(objects.size === 0 ? ['no write was acknowledged'] : []),
  ];
}

/** The lines of a volume's file; what a full disk has cut in half is none. */
export function recordsIn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => /^w\d+-\d+;$/.test(line))
    .map((line) => line.slice(0, -1));
}

function few(what: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, MAX_LISTED).map((line) => `${what}: ${line}`);
  return lines.length > MAX_LISTED ? [...shown, `${what}: and ${lines.length - MAX_LISTED} more`] : shown;
}
