import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { ConfigMap } from '#api/objects.ts';
import { storedBytes } from '#apiserver/cache/item.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { systemRandom, uuid } from '#machinery/random.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { encodeValue } from '#store/value.ts';

/** Commits under way at a time: what shares one fsync. */
const WRITERS = 256;

/** A ConfigMap whose JSON takes about 2 kB. */
export function bigConfigMap(name: string, turn = 0): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', labels: { app: 'bench' } },
    data: { text: 'x'.repeat(1750), turn: String(turn) },
  };
}

/** Writes the ConfigMaps `big-0` to `big-<count - 1>` as a server would have, before there is one. */
export async function seedStore(directory: string, cluster: string, count: number): Promise<void> {
  const store = await openSqliteStore({ directory, clock: systemClock });
  const keys = keySpace(cluster);
  const info = { time: systemClock.now(), actor: 'bench' };
  let next = 0;
  const write = async () => {
    while (next < count) {
      const object = bigConfigMap(`big-${next++}`);
      object.metadata.uid = uuid(systemRandom);
      object.metadata.creationTimestamp = new Date(info.time).toISOString() as never;
      const value = encodeValue(info, storedBytes(object));
      await store.commit(
        [{ op: 'put', key: keys.object(ConfigMapKind, 'default', object.metadata.name), value }],
        info,
      );
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  await store.close();
}
