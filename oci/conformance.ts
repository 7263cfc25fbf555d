import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  ImageError,
  ImageErrorCode,
  ImageStore,
  PullProgress,
  RegistryCredentials,
} from './contract.ts';
import { dockerArchive, layoutArchive, makeImage, type TestImage } from './testing/image.ts';

/** What an image store brings to be tested. */
export interface ImageStoreHarness {
  /** A store over the same node each time, as an agent that starts again. The one before is not used any more. */
  open(): Promise<ImageStore>;
  /** `host:port` of a registry that the store reaches. */
  registry: string;
  publish(repository: string, tag: string, image: TestImage): void;
  /** The registry asks for these from now on. */
  wantCredentials(credentials: RegistryCredentials): void;
  close(): Promise<void>;
}

/** The cases every image store passes. Images are for linux/amd64. */
export function imageStoreConformance(name: string, makeHarness: () => Promise<ImageStoreHarness>): void {
  describe(`${name} keeps the image store contract`, () => {
    let harness: ImageStoreHarness;
    let store: ImageStore;

    beforeEach(async () => {
      harness = await makeHarness();
      store = await harness.open();
    });
    afterEach(() => harness.close());

    const named = (rest: string) => `${harness.registry}/${rest}`;
    const pull = (
      rest: string,
      more: { credentials?: RegistryCredentials; onProgress?: (progress: PullProgress) => void } = {},
    ) => store.pull(named(rest), { ...more, signal: AbortSignal.timeout(10_000) });
    const publish = async (rest: string, layers: Record<string, string>[], config?: object) => {
      const [repository = '', tag = ''] = rest.split(':');
      const image = await makeImage(layers, { config });
      harness.publish(repository, tag, image);
      return image;
    };
    const refused = (work: Promise<unknown>, code: ImageErrorCode) =>
      expect(work).rejects.toSatisfy((error) => (error as ImageError).code === code);

    describe('pull', () => {
      test('an image is found by tag, digest and id, with its config and a directory per layer', async () => {
        const config = { User: 'www', Cmd: ['serve'], Env: ['A=b'], StopSignal: 'SIGQUIT' };
        const made = await publish('web:v1', [{ a: 'one' }, { b: 'two' }], config);
        const image = await pull('web:v1');
        expect(image.id).toBe(made.configDigest);
        expect(image.names).toEqual([named('web:v1'), named(`web@${made.manifestDigest}`)]);
        expect(image.config).toMatchObject({
          ...{ user: 'www', cmd: ['serve'], env: ['A=b'], entrypoint: [], stopSignal: 'SIGQUIT' },
          ...{ os: 'linux', architecture: 'amd64' },
        });
        expect(new Set(image.layers).size).toBe(2);
        expect(image.sizeBytes).toBeGreaterThan(0);
        const names = ['web:v1', `web@${made.manifestDigest}`, `web:v1@${made.manifestDigest}`].map(named);
        for (const one of [...names, image.id, image.id.slice('sha256:'.length, 'sha256:'.length + 12)])
          expect(await store.get(one)).toEqual(image);
        expect(await store.list()).toEqual([image]);
      });

      test('by digest, without a tag', async () => {
        const made = await publish('web:v1', [{ a: 'one' }]);
        const image = await pull(`web@${made.manifestDigest}`);
        expect(image.names).toEqual([named(`web@${made.manifestDigest}`)]);
        expect(await store.get(named('web:v1'))).toBeUndefined();
      });

      test('again and at once is one image', async () => {
        await publish('web:v1', [{ a: 'one' }]);
        const [one, two] = await Promise.all([pull('web:v1'), pull('web:v1')]);
        expect(two).toEqual(one);
        expect(await pull('web:v1')).toEqual(one);
        expect(await store.list()).toHaveLength(1);
      });

      test('images share the directories of their common layers', async () => {
        await publish('one:v1', [{ base: 'b' }, { a: '1' }]);
        await publish('two:v1', [{ base: 'b' }, { a: '2' }]);
        const [one, two] = [await pull('one:v1'), await pull('two:v1')];
        expect(two.layers[0]).toBe(one.layers[0]);
        expect(two.layers[1]).not.toBe(one.layers[1]);
      });

      test('says how far it is', async () => {
        await publish('web:v1', [{ a: 'one' }]);
        const seen: PullProgress[] = [];
        await pull('web:v1', { onProgress: (progress) => seen.push({ ...progress }) });
        expect(seen[0]).toEqual({ doneBytes: 0, totalBytes: undefined });
        expect(seen.at(-1)!.totalBytes).toBeGreaterThan(0);
        expect(seen.at(-1)!.doneBytes).toBe(seen.at(-1)!.totalBytes);
      });

      test('what is absent, forbidden or no reference is told apart, and leaves nothing', async () => {
        await refused(pull('web:v1'), 'NotFound');
        await refused(store.pull('Not A Name', { signal: AbortSignal.timeout(1000) }), 'InvalidReference');
        await publish('web:v1', [{ a: 'one' }]);
        const credentials = { username: 'me', password: 'secret' };
        harness.wantCredentials(credentials);
        await refused(pull('web:v1'), 'Unauthorized');
        await refused(pull('web:v1', { credentials: { ...credentials, password: 'wrong' } }), 'Unauthorized');
        expect(await store.list()).toEqual([]);
        expect((await pull('web:v1', { credentials })).names).toContain(named('web:v1'));
      });

      test('given up before it began, it leaves nothing', async () => {
        await publish('web:v1', [{ a: 'one' }]);
        await expect(store.pull(named('web:v1'), { signal: AbortSignal.abort() })).rejects.toThrow();
        expect(await store.list()).toEqual([]);
      });

      test('a tag moves to the newer image, and the older one keeps its digest', async () => {
        const old = await publish('web:v1', [{ a: 'old' }]);
        await pull('web:v1');
        const young = await publish('web:v1', [{ a: 'young' }]);
        await pull('web:v1');
        expect((await store.get(named('web:v1')))!.id).toBe(young.configDigest);
        expect((await store.get(old.configDigest))!.names).toEqual([named(`web@${old.manifestDigest}`)]);
      });
    });

    describe('import', () => {
      test('a docker save archive, with the names it holds', async () => {
        const [one, two] = [await makeImage([{ a: '1' }]), await makeImage([{ a: '2' }])];
        const images = [
          { image: one, tags: ['demo/one:v1'] },
          { image: two, tags: ['two'] },
        ];
        const found = await store.import(once(await dockerArchive(images)));
        expect(found.map(({ id, names }) => ({ id, names }))).toEqual([
          { id: one.configDigest, names: ['docker.io/demo/one:v1', expect.stringMatching(/one@sha256:/)] },
          { id: two.configDigest, names: ['docker.io/library/two:latest', expect.stringMatching(/two@/)] },
        ]);
        expect(await store.get('two')).toEqual(found[1]);
      });

      test('an OCI layout; a name that is given comes in the place of its own', async () => {
        const made = await makeImage([{ a: 'one' }]);
        const [image] = await store.import(once(await layoutArchive(made, 'demo/oci:v2')));
        expect(image).toMatchObject({ id: made.configDigest, source: 'archive' });
        expect(image!.names[0]).toBe('docker.io/demo/oci:v2');
        const other = await makeImage([{ a: 'two' }]);
        const [second] = await store.import(once(await layoutArchive(other, 'v2')), 'named:v3');
        expect(second!.names[0]).toBe('docker.io/library/named:v3');
      });

      test('again changes nothing', async () => {
        const tar = await dockerArchive([{ image: await makeImage([{ a: '1' }]), tags: ['a:1'] }]);
        expect(await store.import(once(tar))).toEqual(await store.import(once(tar)));
        expect(await store.list()).toHaveLength(1);
      });

      test('what is no archive of images is refused', async () => {
        await refused(store.import(once(Buffer.from('no tar at all'.repeat(100)))), 'Invalid');
        await refused(store.import(once(Buffer.alloc(1024))), 'Invalid');
        expect(await store.list()).toEqual([]);
      });
    });

    describe('remove', () => {
      test('a name goes alone while there are others; the last takes the image along', async () => {
        const image = await makeImage([{ a: '1' }]);
        await store.import(once(await dockerArchive([{ image, tags: ['a:1', 'b:1'] }])));
        await store.remove('a:1', new Set([image.configDigest]));
        expect(await store.get('a:1')).toBeUndefined();
        expect(await store.get('b:1')).toBeDefined();
        await store.remove('b:1', new Set());
        expect(await store.list()).toEqual([]);
      });

      test('an id takes the image with all its names', async () => {
        const image = await makeImage([{ a: '1' }]);
        await store.import(once(await dockerArchive([{ image, tags: ['a:1', 'b:1'] }])));
        await store.remove(image.configDigest, new Set());
        expect(await store.list()).toEqual([]);
      });

      test('an image in use stays, by its last name and by its id', async () => {
        await publish('web:v1', [{ a: 'one' }]);
        const image = await pull('web:v1');
        for (const reference of [named('web:v1'), image.id])
          await refused(store.remove(reference, new Set([image.id])), 'InUse');
        expect(await store.get(named('web:v1'))).toEqual(image);
      });

      test('what is not there is said, and can be pulled again', async () => {
        await refused(store.remove('nothing:v1', new Set()), 'NotFound');
        await publish('web:v1', [{ a: 'one' }]);
        const image = await pull('web:v1');
        await store.remove(image.id, new Set());
        await refused(store.remove(image.id, new Set()), 'NotFound');
        expect(await pull('web:v1')).toEqual(image);
      });
    });

    test('images outlive the agent', async () => {
      await publish('web:v1', [{ a: 'one' }]);
      const image = await pull('web:v1');
      store = await harness.open();
      expect(await store.list()).toEqual([image]);
    });
  });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
