import type { Clock } from '#machinery/clock.ts';
import type { Store } from '#store/contract.ts';
import type { PathHandler } from '../contract.ts';
import type { KeySpace } from '../engine/keys.ts';
import { writeBackupStream } from './write.ts';

/** A POST, for reading everything is more than the `get` of all paths that some roles have. */
export const BACKUP_PATH = '/gantry/v1/backup';

/** Streams a backup. The default roles let cluster-admin alone ask for it. */
export function backupHandler(parts: {
  store: Store;
  keys: KeySpace;
  cluster: string;
  clock: Clock;
}): PathHandler {
  return {
    path: BACKUP_PATH,
    verb: 'post',
    serve: async () => ({
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      body: writeBackupStream({ ...parts, now: parts.clock.now() }),
    }),
  };
}
