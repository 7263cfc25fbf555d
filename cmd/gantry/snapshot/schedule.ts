import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Why } from '#api/why.ts';
import { type Checked, checkBackup } from '#apiserver/backup/restore.ts';
import { type BackupSource, writeBackup } from '#apiserver/backup/write.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { writeBackupFile } from '../state/backup-file.ts';
import { dueAt, type Snapshot, snapshotName, snapshotsOf, surplus } from './plan.ts';

export interface SnapshotOptions {
  source: Omit<BackupSource, 'now'>;
  directory: string;
  /** The node: part of the names, for servers that share a directory. */
  label: string;
  /** 0 = never. */
  everyMs: number;
  keep: number;
  clock: Clock;
  log: Logger;
}

/** After one that failed. */
const RETRY_MS = 10 * 60_000;

/**
 * Saves the cluster's state again and again, each server on a disk of its own. A snapshot counts once it has been read back whole;
 * only then do the oldest go. One that cannot be made is told of and tried again: the server goes on as if nothing were.
 */
export class SnapshotSchedule {
  readonly #options: SnapshotOptions;
  #made = 0;
  #failed = 0;
  #newestMs: number | undefined;

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  /** Until the signal aborts. `tell`: an event. */
  async run(tell: (why: Why) => void, signal: AbortSignal): Promise<void> {
    const { everyMs, clock } = this.#options;
    if (everyMs === 0) return;
    const startedMs = clock.now();
    let retryMs = 0;
    while (!signal.aborted) {
      const newest = await this.#found().catch(() => []); // a directory that cannot be read is told of when it is written to
      this.#newestMs = newest[0]?.timeMs;
      const due = dueAt(this.#newestMs, { everyMs, startedMs, nowMs: clock.now() });
      await sleep(clock, Math.max(due, retryMs) - clock.now(), signal).catch(() => undefined); // only the abort ends it early
      if (signal.aborted || clock.now() < due) continue;
      retryMs = (await this.#make(tell, signal)) ? 0 : clock.now() + Math.min(RETRY_MS, everyMs);
    }
  }

  async #make(tell: (why: Why) => void, signal: AbortSignal): Promise<boolean> {
    const { log } = this.#options;
    try {
      log.info('Saved a snapshot', await this.#save(signal));
      this.#made++;
      await this.#prune();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      this.#failed++;
      const message = messageOf(error);
      log.error('No snapshot could be saved', { error: message });
      tell({ reason: 'SnapshotFailed', message: `no snapshot of the cluster could be saved: ${message}` });
      return false;
    }
  }

  /** Resolves once what the disk has is what was written. */
  async #save(signal: AbortSignal): Promise<{ file: string; entries: number; bytes: number }> {
    const { source, directory, label, clock } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await this.#removePartial();
    const now = clock.now();
    const file = join(directory, snapshotName('scheduled', label, now));
    const written = await writeBackupFile(file, writeBackup({ ...source, now }), { force: false, signal });
    try {
      await expectSame(file, written);
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
    this.#newestMs = now;
    const { entries, bytes } = written.end;
    return { file, entries, bytes };
  }

  async #found(): Promise<Snapshot[]> {
    const { directory, label } = this.#options;
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return snapshotsOf(names).filter((one) => one.kind === 'scheduled' && one.label === label);
  }

  async #prune(): Promise<void> {
    const { directory, label, keep, log } = this.#options;
    try {
      for (const { name } of surplus(await this.#found(), label, keep)) {
        await rm(join(directory, name), { force: true });
        log.info('Removed a snapshot that is too many', { snapshot: name });
      }
    } catch (error) {
      log.warn('Older snapshots could not be removed', { error: messageOf(error) });
    }
  }

  /** What a server that was killed has left of its own: one at a time is written. */
  async #removePartial(): Promise<void> {
    const { directory, label } = this.#options;
    for (const name of await readdir(directory))
      if (name.startsWith(`.scheduled-${label}-`) && name.endsWith('.partial'))
        await rm(join(directory, name), { force: true });
  }

  /** In the Prometheus exposition format. */
  metrics(): string {
    const { everyMs } = this.#options;
    return [
      '# HELP gantry_snapshots_total Snapshots of the state that this server has made by itself, or could not make.',
      '# TYPE gantry_snapshots_total counter',
      `gantry_snapshots_total{result="success"} ${this.#made}`,
      `gantry_snapshots_total{result="error"} ${this.#failed}`,
      '# HELP gantry_snapshot_interval_seconds How often one is to be made; 0 = never.',
      '# TYPE gantry_snapshot_interval_seconds gauge',
      `gantry_snapshot_interval_seconds ${everyMs / 1000}`,
      '# HELP gantry_snapshot_last_success_timestamp_seconds When the newest was made; 0 = there is none.',
      '# TYPE gantry_snapshot_last_success_timestamp_seconds gauge',
      `gantry_snapshot_last_success_timestamp_seconds ${(this.#newestMs ?? 0) / 1000}`,
      '',
    ].join('\n');
  }
}

/** Reads the file back. */
async function expectSame(file: string, written: Checked): Promise<void> {
  const read = await checkBackup(createReadStream(file, { highWaterMark: 1024 * 1024 }));
  if (read.end.sha256 !== written.end.sha256)
    throw new Error(`${file} does not hold what was written to it: the disk is failing`);
}
