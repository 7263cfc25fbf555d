import { expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { decodeValue } from '#store/value.ts';
import { openControlPlane } from './open.ts';

test('who wrote an object and why is kept with it in the store', async () => {
  const store = new MemoryStore();
  const { client, close } = await openControlPlane(store);
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'c', namespace: 'default' },
  } as const;
  const why = {
    reason: 'Wanted',
    message: 'somebody – anybody – asked',
    because: [{ reason: 'A', message: 'a test' }],
  };
  await client.because(why).create(ConfigMapKind, object);
  await client.create(ConfigMapKind, { ...object, metadata: { name: 'plain', namespace: 'default' } });

  const headerOf = async (name: string) => {
    const { entries } = await store.list('/');
    return decodeValue(entries.find(({ key }) => key.endsWith(`/configmaps/default/${name}`))!.value).header;
  };
  expect(await headerOf('c')).toMatchObject({
    actor: 'admin',
    cause: expect.stringMatching(/^Wanted: somebody – anybody – asked: a test \(.+\)$/),
  });
  expect((await headerOf('plain')).cause).not.toContain('Wanted');
  await close();
});
