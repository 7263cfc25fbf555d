import { expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { systemClock } from '#machinery/clock.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { NewerValueError } from '#store/value.ts';
import { openControlPlane } from './open.ts';

it('a server does not start on what a newer version has written, and leaves it as it is', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const plane = await openControlPlane(store);
  const metadata = { name: 'kept', namespace: 'default' };
  await plane.client.create(ConfigMapKind, { apiVersion: 'v1', kind: 'ConfigMap', metadata });
  await plane.close();
  const { entries } = await store.list('');
  const entry = entries.find(({ key }) => key.includes('configmaps') && key.endsWith('/kept'))!;
  const newer = Buffer.from(entry.value).fill(2, 0, 1);
  await store.commit([{ op: 'put', key: entry.key, value: newer }], { time: 0, actor: 'newer' });

  const again = openControlPlane(store);
  await expect(again).rejects.toThrow(NewerValueError);
  await expect(again).rejects.toThrow('unknown format 2: a newer version of this program wrote it');
  expect(Buffer.from((await store.get(entry.key))!.value).equals(newer)).toBe(true);
});
