import { type Clock, sleep } from '#machinery/clock.ts';
import type { CommitInfo, CommitResult, Op, Store } from '#store/contract.ts';

/** What is wrong with the disk now. */
export interface Disk {
  /** Each commit takes this long before it is done. */
  slowMs: number;
}

/** A server's door to the store: closed once that server has crashed, so that no dead server writes. */
export function gatedStore(store: Store, disk: Disk, clock: Clock, signal: AbortSignal): Store {
  const open = () => {
    if (signal.aborted) throw new Error('this server has crashed');
  };
  return {
    get: async (key, revision) => store.get(key, revision),
    list: async (prefix, options) => store.list(prefix, options),
    async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
      if (disk.slowMs > 0) await sleep(clock, disk.slowMs);
      open();
      return store.commit(ops, info);
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
