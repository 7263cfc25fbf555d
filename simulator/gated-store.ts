import { type Clock, sleep } from '#machinery/clock.ts';
import {
  type CommitInfo,
  type CommitResult,
  type Op,
  type Store,
  StoreFailedError,
} from '#store/contract.ts';

/** What is wrong with the disk now. */
export interface Disk {
  /** Each commit takes this long before it is done. */
  slowMs: number;
  /** So many of the next commits fail and end the server's store for good: before they are done, or after. */
  failBefore: number;
  failAfter: number;
}

export const goodDisk = (): Disk => ({ slowMs: 0, failBefore: 0, failAfter: 0 });

export interface GateOptions {
  store: Store;
  disk: Disk;
  clock: Clock;
  /** The server's crash: no dead server writes. */
  signal: AbortSignal;
  /** The store failed: as `gantry up` does, the server is to be started anew. */
  onFailure(): void;
}

/** A server's door to the store. */
export function gatedStore({ store, disk, clock, signal, onFailure }: GateOptions): Store {
  let failed: StoreFailedError | undefined;
  const open = () => {
    if (signal.aborted) throw new Error('this server has crashed');
    if (failed) throw failed;
  };
  const fail = () => {
    failed = new StoreFailedError('injected: the disk failed');
    onFailure();
    return failed;
  };
  return {
    get: async (key, revision) => store.get(key, revision),
    list: async (prefix, options) => store.list(prefix, options),
    async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
      if (disk.slowMs > 0) await sleep(clock, disk.slowMs);
      open();
      if (disk.failBefore > 0) {
        disk.failBefore--;
        throw fail();
      }
      const result = await store.commit(ops, info);
      if (disk.failAfter > 0) {
        disk.failAfter--;
        throw fail();
      }
      return result;
    },
    watch: (prefix, from, over, options) =>
      store.watch(prefix, from, AbortSignal.any([over, signal]), options),
    revision: () => store.revision(),
    revisionAt: (time) => store.revisionAt(time),
    compact: async (revision, prefix) => {
      open();
      return store.compact(revision, prefix);
    },
    revisionKeeping: (bytes) => store.revisionKeeping(bytes),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    renewLease: (lease) => store.renewLease(lease),
    revokeLease: (lease) => store.revokeLease(lease),
    condition: () => store.condition(),
    close: async () => {},
  };
}
