import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseGoDuration } from '#machinery/values/duration.ts';

/** When the server saves the cluster's state by itself, and where. */
export interface SnapshotFlags {
  /** Milliseconds; 0 = never. */
  snapshotEvery: number;
  /** How many that were made by themselves are kept. */
  snapshotKeep: number;
  /** The data directory's own when left out. */
  snapshotDir?: string;
}

export function addSnapshotOptions(command: Command): Command {
  const every = new Option(
    '--snapshot-every <duration>',
    "how often the server saves the cluster's state by itself: 6h; 0 = never",
  )
    .argParser(everyOf)
    .default(12 * 3_600_000, '12h');
  const keep = new Option('--snapshot-keep <count>', 'how many of those are kept')
    .argParser(keepOf)
    .default(5);
  return addSnapshotDirOption(command.addOption(every).addOption(keep));
}

export function addSnapshotDirOption(command: Command): Command {
  return command.option('--snapshot-dir <dir>', 'where they are (default: snapshots in the data directory)');
}

/** Those that hold for every server of a cluster, as arguments: where is a matter of each machine. */
export function sharedSnapshotArguments({ snapshotEvery, snapshotKeep }: SnapshotFlags): string[][] {
  return [
    ['--snapshot-every', `${snapshotEvery}ms`],
    ['--snapshot-keep', String(snapshotKeep)],
  ];
}

/** The flags again as arguments. */
export function snapshotArguments(flags: SnapshotFlags): string[][] {
  const { snapshotDir } = flags;
  return [
    ...sharedSnapshotArguments(flags),
    ...(snapshotDir === undefined ? [] : [['--snapshot-dir', snapshotDir]]),
  ];
}

const SHORTEST_MS = 1_000;

function everyOf(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || (ms !== 0 && ms < SHORTEST_MS))
    throw new InvalidArgumentError('write it as 6h or 30m; at least 1s, or 0 for never.');
  return ms;
}

function keepOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('it is a number of at least 1.');
  return Number(text);
}
