/** Files of snapshots, told by their names; when the next one is due, and which ones are too many. */

/** Made by the server itself, or by somebody. */
export type SnapshotKind = 'scheduled' | 'saved';

export interface Snapshot {
  /** Of the file. */
  name: string;
  kind: SnapshotKind;
  /** The node that made it, or what somebody called it. */
  label: string;
  timeMs: number;
}

const NAME = /^(scheduled|saved)-([a-z0-9][a-z0-9.-]*)-(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\dZ)\.backup$/;

/** What a label may be: a part of a file's name. */
export const LABEL = /^[a-z0-9][a-z0-9.-]{0,62}$/;

export function snapshotName(kind: SnapshotKind, label: string, timeMs: number): string {
  const time = `${new Date(timeMs).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
  return `${kind}-${label}-${time}.backup`;
}

/** undefined: the name is of something else. */
export function parseSnapshotName(name: string): Snapshot | undefined {
  const [, kind, label, day, hour, minute, second] = NAME.exec(name) ?? [];
  const timeMs = Date.parse(`${day}${hour}:${minute}:${second}`);
  return Number.isNaN(timeMs) ? undefined : { name, kind: kind as SnapshotKind, label: label!, timeMs };
}

/** Those of a list of names, the newest first. */
export function snapshotsOf(names: readonly string[]): Snapshot[] {
  return names
    .flatMap((name) => parseSnapshotName(name) ?? [])
    .sort((a, b) => b.timeMs - a.timeMs || (a.name < b.name ? -1 : 1));
}

/** A server that has just started has other things to do. */
const SETTLE_MS = 60_000;

/**
 * When the next one is due. One that was missed while the server did not run is made up for soon after its start; a clock that was set
 * back puts nothing off.
 */
export function dueAt(
  newestMs: number | undefined,
  { everyMs, startedMs, nowMs }: { everyMs: number; startedMs: number; nowMs: number },
): number {
  const soon = startedMs + Math.min(SETTLE_MS, everyMs);
  return newestMs === undefined ? soon : Math.max(soon, Math.min(newestMs, nowMs) + everyMs);
}

/** Those that a server has made by itself beyond the `keep` newest. What people have saved stays. */
export function surplus(found: readonly Snapshot[], label: string, keep: number): Snapshot[] {
  return found.filter((one) => one.kind === 'scheduled' && one.label === label).slice(keep);
}
