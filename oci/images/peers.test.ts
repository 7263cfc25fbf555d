import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackTar } from 'modern-tar';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemFiles } from '#machinery/files.ts';
import { collect } from '#machinery/transport.ts';
import type { Image, ImageStore, PullOptions, SharedContent } from '../contract.ts';
import { dockerArchive, makeImage, type TestImage } from '../testing/image.ts';
import { breaksOff, type Fault, neverEnds, TestPeers, tampers } from '../testing/peers.ts';
import { TestRegistry } from '../testing/registry.ts';
import { once } from './pull.ts';
import { openImageStore } from './store.ts';

/** Images that come from other nodes: two stores, of which the second one knows the first. */
const directories: string[] = [];
const registry = new TestRegistry();
let here: ImageStore & SharedContent;
let there: ImageStore & SharedContent;
let peers: TestPeers;
let received: Record<string, number>;

function open(): Promise<ImageStore & SharedContent> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-peers-'));
  directories.push(directory);
  const unpacker = {
    async unpack(tar: AsyncIterable<Uint8Array>, into: string) {
      for (const { header, data } of await unpackTar(Buffer.from(await collect(tar))))
        writeFileSync(join(into, header.name), data ?? '');
    },
  };
  const platform = { os: 'linux', architecture: 'amd64' };
  return openImageStore({ directory, files: systemFiles(), unpacker, platform });
}

beforeEach(async () => {
  await registry.start();
  there = await open();
  here = await open();
  peers = new TestPeers();
  received = {};
});
afterEach(async () => {
  await registry.stop();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

const pull = (reference: string, more: Partial<PullOptions> = {}) =>
  here.pull(reference, {
    peers,
    onReceived: (bytes, peer = 'registry') => {
      received[peer] = (received[peer] ?? 0) + bytes;
    },
    signal: AbortSignal.timeout(10_000),
    ...more,
  });
async function load(tag = 'demo/app:1'): Promise<Image> {
  const image = await makeImage([{ a: 'one' }, { b: 'two'.repeat(1000) }], { compression: 'none' });
  return (await there.import(once(await dockerArchive([{ image, tags: [tag] }]))))[0]!;
}
const fetchLoaded = (image: Image) => pull('demo/app:1', { loaded: image.manifest! });
const total = () => Object.values(received).reduce((sum, bytes) => sum + bytes, 0);

describe('an image that was loaded on another node', () => {
  test('comes whole from there, under its name, and is known to come from peers', async () => {
    peers.add('there', there);
    const image = await load();
    const got = await fetchLoaded(image);
    expect(got).toMatchObject({
      id: image.id,
      names: image.names,
      manifest: image.manifest,
      source: 'peers',
    });
    expect(image.source).toBe('archive');
    expect(readFileSync(join(got.layers[0]!, 'a'), 'utf8')).toBe('one');
    expect(Object.keys(received)).toEqual(['there']);
  });

  test('goes on from node to node', async () => {
    const [image, third] = [await load(), here];
    peers.add('there', there);
    await fetchLoaded(image);
    peers = new TestPeers();
    peers.add('second', third);
    here = await open();
    expect((await fetchLoaded(image)).id).toBe(image.id);
  });

  test('that nobody has any more is said to be gone', async () => {
    const image = await load();
    await expect(fetchLoaded(image)).rejects.toMatchObject({
      code: 'NotFound',
      message: expect.stringContaining('load it again'),
    });
    expect(await here.list()).toEqual([]);
  });

  test('of a peer that dies half-way, the rest comes from the next', async () => {
    const image = await load();
    peers.add('dying', there, breaksOff);
    peers.add('there', there);
    expect((await fetchLoaded(image)).id).toBe(image.id);
    const manifest = peers.asked.filter((one) => one.includes(image.manifest!.digest));
    expect(manifest).toEqual([
      `dying ${image.manifest!.digest} 0`,
      `there ${image.manifest!.digest} ${Math.ceil(image.manifest!.size / 2)}`,
    ]);
    expect(peers.blamed).toEqual([]);
  });

  test.each<[string, Fault]>([
    ['other bytes', tampers],
    ['more bytes', neverEnds],
  ])('a peer that gives %s is refused, blamed, and another one asked', async (_, fault) => {
    const image = await load();
    peers.add('liar', there, fault);
    peers.add('there', there);
    expect((await fetchLoaded(image)).id).toBe(image.id);
    expect(peers.blamed).toEqual(['liar']);
    expect(received['liar']).toBe(0);
    expect(received['there']).toBe(total());
  });

  test('of two that had a part in what is wrong, the one to blame is found', async () => {
    const image = await load();
    const halfAndLies: Fault = async function* (bytes, offset) {
      if (offset > 0) yield* tampers(bytes, offset);
      else yield* breaksOff(bytes, offset);
    };
    peers.add('dying', there, halfAndLies);
    peers.add('liar', there, tampers);
    peers.add('there', there);
    expect((await fetchLoaded(image)).id).toBe(image.id);
    expect(peers.blamed).toEqual(['liar']);
  });

  test('by liars alone it does not come, and nothing stays', async () => {
    const image = await load();
    for (const name of ['one', 'two', 'three']) peers.add(name, there, tampers);
    await expect(fetchLoaded(image)).rejects.toMatchObject({ code: 'NotFound' });
    expect(peers.blamed).toEqual(['one', 'two', 'three']);
    expect(readdirSync(join(directories[1]!, 'content/blobs/sha256'))).toEqual([]);
    expect(readdirSync(join(directories[1]!, 'content/ingest'))).toEqual([]);
  });

  test('a removal on the other node while it is read harms nothing', async () => {
    const image = await load();
    const found = await there.openShared(image.manifest!.digest, 0);
    const bytes = found!.bytes()[Symbol.asyncIterator]();
    const first = await bytes.next();
    await there.remove(image.id, new Set());
    expect(first.value!.length).toBe(image.manifest!.size);
    expect(await there.openShared(image.manifest!.digest, 0)).toBeUndefined();
    await bytes.return?.();
  });
});

describe('an image of a registry', () => {
  let made: TestImage;
  const name = () => `${registry.host}/web:v1`;
  const both = async (more: Partial<PullOptions> = {}) => {
    made = await makeImage([{ a: 'one' }, { b: 'two' }]);
    registry.add('web', 'v1', made);
    await there.pull(name(), { signal: AbortSignal.timeout(10_000), ...more });
    registry.requests.length = 0;
    peers.add('there', there);
  };

  test('the registry is asked for manifest and config, peers for the layers', async () => {
    await both();
    expect((await pull(name())).source).toBe('registry');
    const blobs = registry.requests.filter((request) => request.includes('/blobs/'));
    expect(blobs).toEqual([`GET /v2/web/blobs/${made.configDigest}`]);
    expect(received['there']).toBeGreaterThan(0);
  });

  test('who may not have it of the registry does not get it of a peer either', async () => {
    const credentials = { username: 'me', password: 'secret' };
    registry.credentials = credentials;
    await both({ credentials });
    await expect(pull(name())).rejects.toMatchObject({ code: 'Unauthorized' });
    expect(peers.asked).toEqual([]);
    expect((await pull(name(), { credentials })).id).toBe(made.configDigest);
    registry.credentials = undefined;
  });

  test('its manifest and config are given to nobody; its layers are', async () => {
    await both();
    for (const digest of [made.manifestDigest, made.configDigest])
      expect(await there.openShared(digest, 0)).toBeUndefined();
    const layers = [...made.blobs.keys()].filter((digest) => digest !== made.configDigest);
    for (const digest of layers) expect(await there.openShared(digest, 0)).toBeDefined();
  });

  test('what peers do not have, or give wrongly, comes from the registry', async () => {
    await both();
    peers = new TestPeers();
    peers.add('liar', there, tampers);
    expect((await pull(name())).id).toBe(made.configDigest);
    expect(received['registry']).toBe(total());
  });

  test('pulled of a registry as well, a loaded image stays loaded', async () => {
    made = await makeImage([{ a: 'one' }]);
    registry.add('web', 'v1', made);
    const [loaded] = await there.import(once(await dockerArchive([{ image: made, tags: ['app:1'] }])));
    const pulled = await there.pull(name(), { signal: AbortSignal.timeout(10_000) });
    expect(pulled).toMatchObject({ id: loaded!.id, source: 'archive', manifest: loaded!.manifest });
    expect(pulled.names).toEqual(expect.arrayContaining([name(), 'docker.io/library/app:1']));
    peers.add('there', there);
    expect((await pull('app:1', { loaded: loaded!.manifest! })).id).toBe(loaded!.id);
  });
});
