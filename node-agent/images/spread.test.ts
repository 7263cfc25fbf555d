import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LoadedImage } from '#api/semantics/loaded-images.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import type { Digest, Image, Peers } from '#oci/contract.ts';
import { type FakeImage, FakeImageStore, fakeImage, fakeManifest } from '#oci/fake/index.ts';
import { dockerArchive, makeImage } from '#oci/testing/image.ts';
import { Pulls } from './pulls.ts';
import { keepSpread, planSpread } from './spread.ts';
import { TrackedImages } from './tracked.ts';

const NAME = 'docker.io/library/app:1';
const loadedAs = (image: FakeImage, nodes: LoadedImage['nodes'] = 'all', name = NAME): LoadedImage => ({
  ...{ name, id: image.id, manifest: fakeManifest(image.manifest), sizeBytes: image.sizeBytes, nodes },
});
const [ONE, TWO] = [fakeImage(1, { sizeBytes: 10 }), fakeImage(2, { sizeBytes: 10 })];

describe('the plan', () => {
  const present = (image: FakeImage, source: Image['source'], ...names: string[]): Image => ({
    ...{ id: image.id, names, config: image.config, layers: [], sizeBytes: 1, source },
  });
  const plan = (loaded: LoadedImage[], here: Image[], fetched: string[] = []) => {
    const found = planSpread(new Map(loaded.map((one) => [one.name, one])), here, 'n1', new Set(fetched));
    return { fetch: found.fetch.map(({ name }) => name), remove: found.remove };
  };

  test.each<[string, LoadedImage[], Image[], { fetch: string[]; remove: Digest[] }]>([
    ['what is wanted here and is not', [loadedAs(ONE)], [], { fetch: [NAME], remove: [] }],
    ['wanted elsewhere', [loadedAs(ONE, ['n2'])], [], { fetch: [], remove: [] }],
    ['not before a pod wants it', [loadedAs(ONE, [])], [], { fetch: [], remove: [] }],
    ['here already', [loadedAs(ONE)], [present(ONE, 'peers', NAME)], { fetch: [], remove: [] }],
    [
      'of a registry under the name',
      [loadedAs(ONE)],
      [present(TWO, 'registry', NAME)],
      { fetch: [NAME], remove: [] },
    ],
    ['gone from the cluster', [], [present(ONE, 'peers', NAME)], { fetch: [], remove: [ONE.id] }],
    ['loaded here, gone from the cluster', [], [present(ONE, 'archive', NAME)], { fetch: [], remove: [] }],
    [
      'another image under the name',
      [loadedAs(TWO)],
      [present(ONE, 'peers', NAME)],
      { fetch: [NAME], remove: [ONE.id] },
    ],
  ])('%s', (_, loaded, here, expected) => expect(plan(loaded, here)).toEqual(expected));

  test('what was fetched and had to make room is not fetched again; loaded anew it is', () => {
    const before = loadedAs(ONE);
    const fetched = [`${NAME} ${before.id} ${before.manifest.digest}`];
    expect(plan([before], [], fetched).fetch).toEqual([]);
    expect(plan([loadedAs(TWO)], [], fetched).fetch).toEqual([NAME]);
  });
});

describe('on a node', () => {
  let clock: VirtualClock;
  let store: FakeImageStore;
  let stop: AbortController;
  let loaded: Map<string, LoadedImage> | undefined;
  let tell: () => void;
  let lines: LogLine[];
  let availableBytes: number;
  let inUse: Set<Digest>;

  beforeEach(() => {
    clock = new VirtualClock();
    store = new FakeImageStore();
    stop = new AbortController();
    loaded = new Map();
    lines = [];
    availableBytes = 900;
    inUse = new Set();
    const images = new TrackedImages(store, clock);
    const peers: Peers = { holders: async function* () {}, blame: () => undefined };
    const pulls = new Pulls(images, { loaded: () => undefined, peersFor: () => peers }, stop.signal);
    void keepSpread({
      ...{ images, pulls, clock, log: memoryLogger(lines), nodeName: 'n1', signal: stop.signal },
      loaded: () => loaded,
      onChange: (listener) => {
        tell = listener;
      },
      inUse: () => inUse,
      disk: async () => ({ capacityBytes: 1000, availableBytes }),
    });
  });
  afterEach(() => stop.abort());

  const set = async (...images: LoadedImage[]) => {
    loaded = new Map(images.map((one) => [one.name, one]));
    tell();
    for (let i = 0; i < 20; i++) await settle();
  };
  const here = async () => (await store.list()).map(({ id }) => id);

  test('an image is fetched as soon as the cluster has it, and goes with it once it is used by nobody', async () => {
    store.share(ONE);
    await set(loadedAs(ONE));
    expect(await here()).toEqual([ONE.id]);
    inUse.add(ONE.id);
    await set();
    await clock.advance(10 * 60_000);
    expect(await here()).toEqual([ONE.id]);
    inUse.clear();
    await clock.advance(60_000);
    expect(await here()).toEqual([]);
  });

  test('what nobody has yet is tried again', async () => {
    await set(loadedAs(ONE));
    expect(lines.at(-1)!.message).toContain('could not be fetched');
    store.share(ONE);
    await clock.advance(60_000);
    expect(await here()).toEqual([ONE.id]);
  });

  test('a disk that is too full gets nothing more', async () => {
    availableBytes = 150;
    store.share(ONE);
    await set(loadedAs(ONE));
    expect(await here()).toEqual([]);
    availableBytes = 900;
    await clock.advance(60_000);
    expect(await here()).toEqual([ONE.id]);
  });

  test('nothing is taken for gone before it is known what there is', async () => {
    store.share(ONE);
    await set(loadedAs(ONE));
    loaded = undefined;
    tell();
    await clock.advance(10 * 60_000);
    expect(await here()).toEqual([ONE.id]);
  });

  test('what was loaded here stays', async () => {
    const image = await makeImage([{ a: '1' }]);
    const archive = await dockerArchive([{ image, tags: ['app:1'] }]);
    await store.import(
      (async function* () {
        yield archive;
      })(),
    );
    await set();
    await clock.advance(10 * 60_000);
    expect(await here()).toEqual([image.configDigest]);
  });
});
