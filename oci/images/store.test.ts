import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackTar } from 'modern-tar';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemFiles } from '#machinery/files.ts';
import { collect } from '#machinery/transport.ts';
import { imageStoreConformance } from '../conformance.ts';
import type { Image, ImageError, ImageStore, Unpacker } from '../contract.ts';
import { dockerArchive, layoutArchive, makeImage, type TestImage } from '../testing/image.ts';
import { TestRegistry } from '../testing/registry.ts';
import { once } from './pull.ts';
import { openImageStore } from './store.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };

/** Writes plain files only: what the native program does beyond that is its own suite's to show. */
class FileUnpacker implements Unpacker {
  runs = 0;
  async unpack(tar: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
    this.runs += 1;
    for (const entry of await unpackTar(Buffer.from(await collect(tar)))) {
      writeFileSync(join(directory, entry.header.name), entry.data ?? '');
    }
  }
}

let directory: string;
let registry: TestRegistry;
let unpacker: FileUnpacker;
let store: ImageStore;

const open = () => openImageStore({ directory, files: systemFiles(), unpacker, platform: PLATFORM });
const pull = (name: string, credentials?: { username: string; password: string }) =>
  store.pull(`${registry.host}/${name}`, { credentials, signal: AbortSignal.timeout(10_000) });
const blobs = () => readdirSync(join(directory, 'content/blobs/sha256'));
const layers = () => readdirSync(join(directory, 'layers'));
const failure = (work: Promise<unknown>): Promise<ImageError> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  );

imageStoreConformance('on disk', async () => {
  const home = mkdtempSync(join(tmpdir(), 'gantry-oci-'));
  const remote = new TestRegistry();
  await remote.start();
  const options = { directory: home, files: systemFiles(), unpacker: new FileUnpacker(), platform: PLATFORM };
  return {
    open: () => openImageStore(options),
    registry: remote.host,
    publish: (repository, tag, image) => remote.add(repository, tag, image),
    wantCredentials(credentials) {
      remote.credentials = credentials;
    },
    async close() {
      await remote.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
});

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-oci-'));
  registry = new TestRegistry();
  unpacker = new FileUnpacker();
  await registry.start();
  store = await open();
});
afterEach(async () => {
  await registry.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('pull', () => {
  test.each(['none', 'gzip', 'zstd'] as const)(
    'an image with %s layers becomes directories and a config',
    async (compression) => {
      const made = await makeImage([{ a: 'one' }, { b: 'two' }], {
        compression,
        config: { User: 'www', Cmd: ['x'] },
      });
      registry.add('web', 'v1', made);
      const image = await pull('web:v1');
      expect(image).toMatchObject({ id: made.configDigest, config: { user: 'www', cmd: ['x'] } });
      expect(image.names).toEqual([`${registry.host}/web:v1`, `${registry.host}/web@${made.manifestDigest}`]);
      expect(read(image, 0, 'a')).toBe('one');
      expect(read(image, 1, 'b')).toBe('two');
      expect(await store.get(`${registry.host}/web:v1`)).toEqual(image);
      expect(await store.get(made.configDigest.slice(7, 19))).toEqual(image);
    },
  );

  test('by digest', async () => {
    const made = await makeImage([{ a: 'one' }]);
    registry.add('web', 'v1', made);
    expect((await pull(`web@${made.manifestDigest}`)).id).toBe(made.configDigest);
  });

  test('an index leads to the manifest of this platform', async () => {
    const mine = await makeImage([{ a: 'mine' }]);
    const other = await makeImage([{ a: 'other' }], { architecture: 'arm64' });
    registry.add('web', 'mine', mine);
    registry.add('web', 'other', other);
    const entry = (image: TestImage, architecture: string) => ({
      mediaType: image.manifestType,
      digest: image.manifestDigest,
      size: image.manifest.length,
      platform: { os: 'linux', architecture },
    });
    const type = 'application/vnd.oci.image.index.v1+json';
    const index = { schemaVersion: 2, manifests: [entry(other, 'arm64'), entry(mine, 'amd64')] };
    registry.addDocument('web', 'v1', type, Buffer.from(JSON.stringify(index)));
    expect((await pull('web:v1')).id).toBe(mine.configDigest);
    registry.addDocument(
      'web',
      'v2',
      type,
      Buffer.from(JSON.stringify({ manifests: [entry(other, 'arm64')] })),
    );
    expect((await failure(pull('web:v2'))).message).toContain('no matching manifest for linux/amd64');
  });

  test('a layer that two images share is fetched and unpacked once', async () => {
    const shared = { base: 'shared' };
    const one = await makeImage([shared, { a: '1' }]);
    const two = await makeImage([shared, { b: '2' }]);
    registry.add('one', 'v1', one);
    registry.add('two', 'v1', two);
    await Promise.all([pull('one:v1'), pull('one:v1')]);
    await pull('two:v1');
    expect(unpacker.runs).toBe(3);
    expect(layers()).toHaveLength(3);
  });

  test('asks for a token with the credentials when the registry wants one', async () => {
    registry.credentials = { username: 'me', password: 'secret' };
    registry.add('web', 'v1', await makeImage([{ a: 'one' }]));
    expect(await failure(pull('web:v1'))).toMatchObject({ code: 'Unauthorized' });
    expect(await failure(pull('web:v1', { username: 'me', password: 'wrong' }))).toMatchObject({
      code: 'Unauthorized',
    });
    expect(await pull('web:v1', registry.credentials)).toBeDefined();
  });

  test('what does not exist is said in the words of the registry', async () => {
    const error = await failure(pull('nothing:v1'));
    expect(error).toMatchObject({ code: 'NotFound' });
    expect(error.message).toContain('manifest unknown');
  });

  test('a registry that does not answer is named', async () => {
    const gone = registry.host;
    await registry.stop();
    const error = await failure(store.pull(`${gone}/web:v1`, { signal: AbortSignal.timeout(5_000) }));
    expect(error).toMatchObject({ code: 'Unreachable' });
    expect(error.message).toContain(gone);
    await registry.start();
  });

  test('a blob with other bytes, too many or too few is refused and leaves nothing', async () => {
    const made = await makeImage([{ a: 'one' }]);
    registry.add('web', 'v1', made);
    const digest = [...made.blobs.keys()][0]!;
    const good = made.blobs.get(digest)!;
    const bad = Buffer.from(good);
    bad[20]! ^= 1;
    for (const body of [bad, Buffer.concat([good, good]), good.subarray(0, 10)]) {
      registry.overrides.set(`/v2/web/blobs/${digest}`, (response) => response.end(body));
      expect(await failure(pull('web:v1'))).toMatchObject({ code: 'DigestMismatch' });
      expect(layers()).toEqual([]);
    }
    registry.overrides.clear();
    expect(await pull('web:v1')).toBeDefined();
  });

  test('a layer that is not what the config promised is refused', async () => {
    const made = await makeImage([{ a: 'one' }]);
    const liar = await makeImage([{ a: 'two' }]);
    const config = JSON.parse(made.manifest.toString()).config;
    const manifest = Buffer.from(JSON.stringify({ ...JSON.parse(liar.manifest.toString()), config }));
    registry.add('web', 'v1', made);
    registry.add('web', 'liar', liar);
    registry.addDocument('web', 'v2', made.manifestType, manifest);
    expect(await failure(pull('web:v2'))).toMatchObject({ code: 'DigestMismatch' });
    expect(layers()).toEqual([]);
  });

  test('a connection that breaks leaves nothing, and the next pull goes through', async () => {
    const made = await makeImage([{ a: 'x'.repeat(100_000) }], { compression: 'none' });
    registry.add('web', 'v1', made);
    const digest = [...made.blobs.keys()][0]!;
    registry.overrides.set(`/v2/web/blobs/${digest}`, (response) => {
      response.writeHead(200, { 'content-length': String(made.blobs.get(digest)!.length) });
      response.write(made.blobs.get(digest)!.subarray(0, 1000), () => response.destroy());
    });
    expect(await failure(pull('web:v1'))).toMatchObject({ code: 'Unreachable' });
    registry.overrides.clear();
    expect(await pull('web:v1')).toBeDefined();
  });

  test('an image for another processor is refused', async () => {
    registry.add('web', 'v1', await makeImage([{ a: 'one' }], { architecture: 's390x' }));
    expect((await failure(pull('web:v1'))).message).toContain('linux/s390x');
  });

  test('a foreign manifest type is refused', async () => {
    registry.addDocument(
      'web',
      'v1',
      'application/vnd.docker.distribution.manifest.v1+json',
      Buffer.from('{}'),
    );
    expect(await failure(pull('web:v1'))).toMatchObject({ code: 'Unsupported' });
    expect(blobs()).toEqual([]);
  });
});

describe('import', () => {
  test('a docker save archive with two images that share a layer', async () => {
    const one = await makeImage([{ base: 'b' }, { a: '1' }], { compression: 'none' });
    const two = await makeImage([{ base: 'b' }], { compression: 'none' });
    const tar = await dockerArchive([
      { image: one, tags: ['demo/one:v1'] },
      { image: two, tags: ['two'] },
    ]);
    const images = await store.import(once(tar));
    expect(images.map(({ names }) => names.filter((name) => !name.includes('@')))).toEqual([
      ['docker.io/demo/one:v1'],
      ['docker.io/library/two:latest'],
    ]);
    expect(read(images[0]!, 1, 'a')).toBe('1');
    expect(unpacker.runs).toBe(2);
  });

  test('an OCI layout, and a name given for it', async () => {
    const made = await makeImage([{ a: 'one' }]);
    const [image] = await store.import(once(await layoutArchive(made, 'demo/oci:v2')));
    expect(image!.names).toEqual(['docker.io/demo/oci:v2', `docker.io/demo/oci@${made.manifestDigest}`]);
    const [again] = await store.import(once(await layoutArchive(made, 'v2')), 'named:v3');
    expect(again!.names).toContain('docker.io/library/named:v3');
  });

  test('importing again changes nothing', async () => {
    const tar = await dockerArchive([{ image: await makeImage([{ a: '1' }]), tags: ['a:1'] }]);
    await store.import(once(tar));
    await store.import(once(tar));
    expect(await store.list()).toHaveLength(1);
    expect(unpacker.runs).toBe(1);
  });

  test.each([
    ['text', Buffer.from('this is no tar archive at all'.repeat(100))],
    ['nothing', Buffer.alloc(0)],
    ['a tar cut short', Buffer.alloc(0)],
  ])('%s is refused', async (what, bytes) => {
    const whole = await dockerArchive([{ image: await makeImage([{ a: 'x'.repeat(5000) }]), tags: ['a:1'] }]);
    const tar = what === 'a tar cut short' ? whole.subarray(0, 900) : bytes;
    expect(await failure(store.import(once(tar)))).toMatchObject({ name: 'ImageError', code: 'Invalid' });
    expect(await store.list()).toEqual([]);
    expect(readdirSync(directory).filter((name) => name.startsWith('archive-'))).toEqual([]);
  });
});

describe('keeping', () => {
  test('images outlive a restart; what a crash left half-made does not', async () => {
    registry.add('web', 'v1', await makeImage([{ a: 'one' }]));
    const image = await pull('web:v1');
    mkdirSync(join(directory, 'layers', `new-${'0'.repeat(64)}`, 'fs'), { recursive: true });
    writeFileSync(join(directory, 'content/ingest/77'), 'half');
    writeFileSync(join(directory, 'content/blobs/sha256', '0'.repeat(64)), 'orphan');
    store = await open();
    expect(await store.list()).toEqual([image]);
    expect(layers()).toHaveLength(1);
    expect(blobs()).toHaveLength(3);
    expect(existsSync(join(directory, 'content/ingest/77'))).toBe(false);
  });

  test('a name moves to the newer image; removing the last name removes what only it needed', async () => {
    const old = await makeImage([{ base: 'b' }, { a: 'old' }]);
    const young = await makeImage([{ base: 'b' }, { a: 'young' }]);
    registry.add('web', 'v1', old);
    await pull('web:v1');
    registry.add('web', 'v1', young);
    const image = await pull('web:v1');
    expect((await store.get(`${registry.host}/web:v1`))!.id).toBe(young.configDigest);
    await store.remove(old.configDigest, new Set());
    expect(layers()).toHaveLength(2);
    expect(await failure(store.remove(`${registry.host}/web:v1`, new Set([image.id])))).toMatchObject({
      code: 'InUse',
    });
    await store.remove(`${registry.host}/web:v1`, new Set());
    expect(await store.list()).toEqual([]);
    expect(blobs()).toEqual([]);
    expect(await failure(store.remove('web:v1', new Set()))).toMatchObject({ code: 'NotFound' });
  });
});

function read(image: Image, layer: number, file: string): string {
  return readFileSync(join(image.layers[layer]!, file), 'utf8');
}
