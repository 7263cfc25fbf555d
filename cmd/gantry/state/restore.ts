import { createReadStream, existsSync, mkdirSync, type ReadStream } from 'node:fs';
import { type Checked, checkBackup, restoreBackup } from '#apiserver/backup/restore.ts';
import { wrappingKeys } from '#apiserver/encryption/key-ring.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { textLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import { isInUse } from '../machine/processes.ts';
import { stopSignal } from '../machine/stop.ts';
import { withStoreOf } from '../managed-etcd/choice.ts';
import type { StoreFlags } from '../options.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { progressLine } from '../progress.ts';
import { json, megabytes } from './backup.ts';
import { CLUSTER, openStore } from './store.ts';
import { inCharge } from './store-record.ts';

export interface RestoreFlags extends StoreFlags {
  dataDir: string;
  force?: boolean;
  verify?: boolean;
  output?: string;
}

/** `gantry restore FILE`: fills the store of a server that does not run. */
export async function restore(file: string, flags: RestoreFlags): Promise<number> {
  if (!existsSync(file)) throw new Error(`${file} does not exist`);
  const read = () => createReadStream(file, { highWaterMark: 1024 * 1024 });
  if (flags.verify) {
    const checked = await checkBackup(read());
    process.stdout.write(
      flags.output === 'json' ? json(file, checked) : `${file} is whole: ${summary(checked)}\n`,
    );
    return 0;
  }
  if (isInUse(pathsOf(flags.dataDir))) throw new Error(`a server runs on ${flags.dataDir}: stop it first`);
  mkdirSync(flags.dataDir, { recursive: true, mode: 0o700 });
  const paths = pathsOf(flags.dataDir);
  const settings = await inCharge({ ...flags, paths });
  return await withStoreOf(settings, { clock: systemClock, signal: stopSignal() }, () =>
    fill(settings, file, read, flags),
  );
}

async function fill(
  settings: StoreFlags & { paths: Paths },
  file: string,
  read: () => ReadStream,
  flags: RestoreFlags,
): Promise<number> {
  const log = textLogger((text) => process.stderr.write(text), 'warn', systemClock, { part: 'restore' });
  const store = await openStore(settings, CLUSTER, {
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const keys = keySpace(CLUSTER);
  const line = progressLine();
  try {
    const done = await restoreBackup({
      store,
      keys,
      cluster: CLUSTER,
      read,
      force: flags.force ?? false,
      now: () => systemClock.now(),
      progress: ({ entries, of }) => line.show(`${entries} of ${of} entries`),
    });
    line.end();
    const { resourceVersion } = done;
    const encryptionKeys = await wrappingKeys(store, keys);
    process.stdout.write(
      flags.output === 'json'
        ? json(file, done, { resourceVersion, encryptionKeys })
        : `restored ${summary(done)}; resourceVersions go on from ${resourceVersion}\n${needed(encryptionKeys)}`,
    );
    return 0;
  } finally {
    line.end();
    await store.close();
  }
}

function summary({ header, end }: Checked): string {
  const made = new Date(header.time).toISOString();
  return `${end.entries} entries, ${megabytes(end.bytes)}, of ${made}`;
}

function needed(encryptionKeys: readonly string[]): string {
  if (encryptionKeys.length === 0) return '';
  return `to read what is encrypted, the server needs ${encryptionKeys.join(', ')}\n`;
}
