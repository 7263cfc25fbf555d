import type { Line } from './api-writer.ts';
import { durationOf, type Event, type Fault } from './schedule.ts';

/** A line, with when it was said (milliseconds since the epoch). */
export type Timed = Line & { t: number };

/** How long nobody's write was acknowledged, in milliseconds. */
export interface Gap {
  fromMs: number;
  ms: number;
}

export interface Availability {
  acknowledged: number;
  failed: number;
  /** Of all gaps of a writer that are longer than a slow answer. */
  gaps: number;
  p50: number;
  p99: number;
  longest: number;
}

export interface FaultRow {
  kind: Fault['kind'];
  count: number;
  /** Of the longest gap from each such fault until it was over and the cluster had time to notice. */
  records: { p50: number; longest: number };
  writes: { p50: number; longest: number };
}

/** A pause between two answers that counts as one: several times what an answer takes while nothing is wrong. */
const GAP_FROM_MS = 500;
/** After the end of a fault, what happens is still its doing. */
const AFTER_MS = 5_000;

type Op = 'record' | 'create';

/** Each writer's pauses between acknowledgements. */
export function gapsOf(lines: readonly Timed[], op: Op): Gap[] {
  const last = new Map<string, number>();
  const gaps: Gap[] = [];
  for (const line of lines) {
    if (line.op !== op || !line.ok) continue;
    const before = last.get(line.writer);
    last.set(line.writer, line.t);
    if (before !== undefined && line.t - before >= GAP_FROM_MS)
      gaps.push({ fromMs: before, ms: line.t - before });
  }
  return gaps;
}

export function availability(lines: readonly Timed[], op: Op): Availability {
  const ours = lines.filter((line) => line.op === op);
  const acknowledged = ours.filter((line) => line.op === op && line.ok).length;
  const lengths = gapsOf(lines, op).map(({ ms }) => ms);
  return {
    ...{ acknowledged, failed: ours.length - acknowledged, gaps: lengths.length },
    ...{ p50: percentile(lengths, 0.5), p99: percentile(lengths, 0.99), longest: percentile(lengths, 1) },
  };
}

/** What each kind of fault did to the answers; `startedAt` is when the first event's clock began. */
export function faultRows(events: readonly Event[], startedAt: number, lines: readonly Timed[]): FaultRow[] {
  const gaps = { records: gapsOf(lines, 'record'), writes: gapsOf(lines, 'create') };
  const kinds = [...new Set(events.map(({ fault }) => fault.kind))].sort();
  return kinds.map((kind) => {
    const ofKind = events.filter(({ fault }) => fault.kind === kind);
    const longest = (list: readonly Gap[]) =>
      ofKind.map(({ atMs, fault }) => {
        const from = startedAt + atMs;
        const to = from + durationOf(fault) + AFTER_MS;
        return Math.max(
          0,
          ...list.filter((gap) => gap.fromMs < to && gap.fromMs + gap.ms > from).map(({ ms }) => ms),
        );
      });
    const row = (lengths: readonly number[]) => ({
      p50: percentile(lengths, 0.5),
      longest: percentile(lengths, 1),
    });
    return {
      kind,
      count: ofKind.length,
      records: row(longest(gaps.records)),
      writes: row(longest(gaps.writes)),
    };
  });
}

/** 0 when there is none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

export function table(rows: readonly FaultRow[], totals: Record<'records' | 'writes', Availability>): string {
  const columns = ['', 'faults', 'records p50', 'longest', 'writes p50', 'longest'];
  const lines = rows.map(({ kind, count, records, writes }) => [
    ...[
      kind,
      `${count}`,
      `${records.p50} ms`,
      `${records.longest} ms`,
      `${writes.p50} ms`,
      `${writes.longest} ms`,
    ],
  ]);
  const widths = columns.map((_, at) => Math.max(...[columns, ...lines].map((cells) => cells[at]!.length)));
  const text = (cells: string[]) =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd();
  const total = (what: string, one: Availability) =>
    `${what}: ${one.acknowledged} acknowledged, ${one.failed} attempts failed; ${one.gaps} gaps of ${GAP_FROM_MS} ms or more: p50 ${one.p50} ms, p99 ${one.p99} ms, longest ${one.longest} ms`;
  return [
    'Longest gap between two acknowledgements to a writer, from a fault until 5 s after it:',
    ...[columns, ...lines].map(text),
    total('records', totals.records),
    total('writes of objects', totals.writes),
  ].join('\n');
}
