import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { CompactedError, StoreFailedError } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { plainCodec } from '../encryption/codec.ts';
import { versionBase } from '../engine/base.ts';
import { keySpace } from '../engine/keys.ts';
import { WatchCache } from './watch-cache.ts';

test.each([new CompactedError(7), new StoreFailedError('etcd went back')])(
  'a cache whose watch ends with %s says that it cannot go on',
  async (error) => {
    const store = new MemoryStore();
    store.watch = () => {
      throw error;
    };
    const clock = new VirtualClock();
    const options = { store, clock, base: versionBase(0), keys: keySpace('test'), log: silentLogger };
    const cache = new WatchCache({ ...options, codec: plainCodec, kinds: [], shared: false });
    await cache.start(new AbortController().signal);
    await clock.advance(1);
    expect(cache.failure).toBe(error);
    await store.close();
  },
);
