import { existsSync } from 'node:fs';
import { BACKUP_PATH } from '#apiserver/backup/handler.ts';
import type { Checked } from '#apiserver/backup/restore.ts';
import { writeBackup } from '#apiserver/backup/write.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { textLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import { connect } from '../connection/connect.ts';
import { isInUse } from '../machine/processes.ts';
import { stopSignal } from '../machine/stop.ts';
import { withStoreOf } from '../managed-etcd/choice.ts';
import type { StoreFlags } from '../options.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { progressLine } from '../progress.ts';
import { refuseExisting, writeBackupFile } from './backup-file.ts';
import { CLUSTER, openStore } from './store.ts';
import { inCharge } from './store-record.ts';

export interface BackupFlags extends StoreFlags {
  dataDir: string;
  force?: boolean;
  output?: string;
}

/** A backup on its way, and what to let go of when it has come. */
interface Source {
  chunks: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** `gantry backup FILE`: of the running server, or of the store when none runs here. */
export async function backup(file: string, flags: BackupFlags): Promise<number> {
  refuseExisting(file, flags.force ?? false);
  const paths = pathsOf(flags.dataDir);
  const signal = stopSignal();
  if (isInUse(paths)) return await save(file, await fromServer(paths, signal), flags, signal);
  const settings = await inCharge({ ...flags, paths });
  return await withStoreOf(settings, { clock: systemClock, signal }, async () =>
    save(file, await fromStore(settings), flags, signal),
  );
}

async function save(
  file: string,
  source: Source,
  { force = false, output }: BackupFlags,
  signal: AbortSignal,
): Promise<number> {
  const line = progressLine();
  try {
    const checked = await writeBackupFile(file, source.chunks, {
      force,
      signal,
      progress: (bytes) => line.show(`${megabytes(bytes)} written`),
    });
    line.end();
    process.stdout.write(output === 'json' ? json(file, checked) : text(file, checked));
    return 0;
  } catch (error) {
    line.end();
    throw error;
  } finally {
    await source.close();
  }
}

async function fromServer(paths: Paths, signal: AbortSignal): Promise<Source> {
  const { transport } = connect(paths.adminKubeconfig);
  const close = async () => transport.close();
  try {
    const response = await transport.request({ method: 'POST', path: BACKUP_PATH, headers: {}, signal });
    if (response.status === 200) return { chunks: stream(response.body), close };
    const answer = Buffer.from(await collect(response.body)).toString();
    throw new Error(`status ${response.status}: ${answer.trim()}`);
  } catch (error) {
    transport.close();
    throw new Error(
      `the server of ${paths.root} gives no backup (${messageOf(error)}): once it is stopped, its store is read directly`,
    );
  }
}

async function* stream(body: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}

async function fromStore(settings: StoreFlags & { paths: Paths }): Promise<Source> {
  // Opening a store that is not there would make one.
  if (settings.store.kind === 'sqlite' && !existsSync(settings.paths.store))
    throw new Error(`${settings.paths.root} holds no cluster: name its --data-dir, or its --store`);
  const log = textLogger((line) => process.stderr.write(line), 'warn', systemClock, { part: 'backup' });
  const deps = { clock: systemClock, random: systemRandom, log };
  const store = await openStore(settings, CLUSTER, deps);
  const chunks = writeBackup({ store, keys: keySpace(CLUSTER), cluster: CLUSTER, now: systemClock.now() });
  return { chunks, close: () => store.close() };
}

/** What `-o json` says of a backup. */
export function json(file: string, { header, end }: Checked, more: object = {}): string {
  const { cluster, revision, base, time } = header;
  const facts = {
    file,
    cluster,
    revision,
    resourceVersion: base + revision,
    time: new Date(time).toISOString(),
    ...end,
    ...more,
  };
  return `${JSON.stringify(facts, null, 2)}\n`;
}

function text(file: string, { header, end }: Checked): string {
  const version = header.base + header.revision;
  return `wrote ${file}: ${end.entries} entries, ${megabytes(end.bytes)}, as of resourceVersion ${version}\n`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
