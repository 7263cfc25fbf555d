import { expect, test } from 'vitest';
import { imageStoreConformance } from '../conformance.ts';
import { FakeImageStore, fakeImage, fakeOf } from './index.ts';

imageStoreConformance('fake', async () => {
  let store = new FakeImageStore();
  const registry = 'registry.test:5000';
  return {
    registry,
    open: async () => {
      store = store.reopen();
      return store;
    },
    publish: (repository, tag, { blobs, configDigest, manifestDigest }) =>
      store.publish(
        `${registry}/${repository}:${tag}`,
        fakeOf(blobs.get(configDigest)!, configDigest, manifestDigest, 100),
      ),
    wantCredentials: (credentials) => store.wantCredentials(credentials),
    close: async () => {},
  };
});

test('a call told to fail fails once, changes nothing, and then works', async () => {
  const store = new FakeImageStore();
  const signal = new AbortController().signal;
  store.publish('registry.test/app:1', fakeImage(1, { sizeBytes: 5 }));
  store.failNext('pull', 'Unreachable', 'no route to host');
  await expect(store.pull('registry.test/app:1', { signal })).rejects.toMatchObject({ code: 'Unreachable' });
  expect(await store.list()).toEqual([]);
  expect(await store.pull('registry.test/app:1', { signal })).toMatchObject({ sizeBytes: 5 });
  expect(store.calls.map(({ call }) => call)).toEqual(['pull', 'list', 'pull']);
});

test('images of other seeds are others', () => {
  expect(fakeImage(1).id).not.toBe(fakeImage(2).id);
  expect(fakeImage(1)).toEqual(fakeImage(1));
});
