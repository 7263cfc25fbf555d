import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { BackupHeader } from '#apiserver/backup/format.ts';
import { readBackup } from '#apiserver/backup/read.ts';
import { systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { humanDuration } from '#machinery/values/duration.ts';
import { pathsOf } from '../paths.ts';
import { type BackupFlags, backup } from '../state/backup.ts';
import { formatBytes, formatTable } from '../table.ts';
import { LABEL, parseSnapshotName, snapshotName, snapshotsOf } from './plan.ts';

export interface SnapshotCommandFlags {
  dataDir: string;
  snapshotDir?: string;
  output?: string;
}

function directoryOf({ dataDir, snapshotDir }: SnapshotCommandFlags): string {
  return snapshotDir === undefined ? pathsOf(dataDir).snapshots : resolve(snapshotDir);
}

/** `gantry snapshot save [NAME]`: what `gantry backup` does, to where snapshots are. It is kept until it is removed. */
export async function saveSnapshot(
  label: string,
  flags: Omit<BackupFlags, 'force'> & SnapshotCommandFlags,
): Promise<number> {
  if (!LABEL.test(label))
    throw new Error(`${JSON.stringify(label)} is no name: lower case letters, digits, "-" and "." make one`);
  const directory = directoryOf(flags);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return await backup(join(directory, snapshotName('saved', label, systemClock.now())), flags);
}

interface Row {
  file: string;
  kind: string;
  /** RFC 3339. */
  time: string;
  sizeBytes: number;
  resourceVersion?: number;
  /** Why it cannot be used. */
  fault?: string;
}

/** `gantry snapshot ls`: the newest first. Only "gantry restore --verify" reads them whole. */
export async function listSnapshots(flags: SnapshotCommandFlags): Promise<number> {
  const directory = directoryOf(flags);
  const rows = await Promise.all((await foundIn(directory)).map(({ name }) => rowOf(join(directory, name))));
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else if (rows.length === 0) process.stdout.write(`no snapshots in ${directory}\n`);
  else process.stdout.write(formatTable([['FILE', 'AGE', 'SIZE', 'RESOURCEVERSION'], ...rows.map(cells)]));
  return 0;
}

async function foundIn(directory: string) {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return snapshotsOf(names);
}

async function rowOf(file: string): Promise<Row> {
  const { kind, timeMs } = parseSnapshotName(file.slice(file.lastIndexOf('/') + 1))!;
  const row = { file, kind, time: new Date(timeMs).toISOString(), sizeBytes: (await stat(file)).size };
  try {
    const { base, revision } = await headerOf(file);
    return { ...row, resourceVersion: base + revision };
  } catch (error) {
    return { ...row, fault: messageOf(error) };
  }
}

async function headerOf(file: string): Promise<BackupHeader> {
  for await (const part of readBackup(createReadStream(file))) if (part.type === 'header') return part.header;
  throw new Error('the backup is cut short');
}

function cells({ file, time, sizeBytes, resourceVersion, fault }: Row): string[] {
  const age = humanDuration(systemClock.now() - Date.parse(time));
  return [file, age, formatBytes(sizeBytes), fault ?? String(resourceVersion)];
}

/** `gantry snapshot rm`: files by their names. Exit code 1 when one of them is not there. */
export async function removeSnapshots(
  names: readonly string[],
  flags: SnapshotCommandFlags,
): Promise<number> {
  const directory = directoryOf(flags);
  const there = new Set((await foundIn(directory)).map(({ name }) => name));
  let code = 0;
  for (const given of names) {
    const name = given.startsWith(`${directory}/`) ? given.slice(directory.length + 1) : given;
    if (there.has(name)) {
      await rm(join(directory, name));
      process.stdout.write(`removed ${name}\n`);
    } else {
      process.stderr.write(`gantry: there is no snapshot ${given} in ${directory}\n`);
      code = 1;
    }
  }
  return code;
}
