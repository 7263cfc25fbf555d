import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import type { Digest } from '#oci/contract.ts';
import { FakeImageStore, fakeImage, fakeManifest } from '#oci/fake/index.ts';
import { TestNode } from '../pods/test-node.ts';
import type { PodWorker } from '../pods/worker.ts';
import { isTooFull, keepImagesInBounds, missingBytes, removable } from './collect.ts';
import { imagesInUse } from './in-use.ts';
import { TrackedImages } from './tracked.ts';

const MINUTE_MS = 60_000;
const nobody: ReadonlySet<Digest> = new Set();

describe('the decision', () => {
  const disk = (availableBytes: number) => ({ capacityBytes: 1000, availableBytes });

  test('a disk is too full from 85 % on, and has room again at 80 %', () => {
    expect(isTooFull(disk(151))).toBe(false);
    expect(isTooFull(disk(150))).toBe(true);
    expect(missingBytes(disk(150))).toBe(50);
    expect(missingBytes(disk(200))).toBe(0);
    // A file system that says nothing of its size is not full.
    expect(isTooFull({ capacityBytes: 0, availableBytes: 0 })).toBe(false);
  });

  test('the least recently used goes first, then what is longest here; never what is used or new', () => {
    const now = 10 * MINUTE_MS;
    const image = (id: string, lastUsedMs: number, seenMs: number, pinned = false) => ({
      ...{ id, lastUsedMs, seenMs, pinned },
    });
    const images = [
      image('recent', 7 * MINUTE_MS, 0),
      image('never, newer', 0, MINUTE_MS),
      image('never, older', 0, 0),
      image('in use', 0, 0),
      image('loaded here', 0, 0, true),
      image('just pulled', 0, 9 * MINUTE_MS),
      image('just asked for', 9 * MINUTE_MS, 0),
    ];
    expect(removable(images, new Set(['in use']), now)).toEqual(['never, older', 'never, newer', 'recent']);
  });
});

describe('which images are in use', () => {
  const image = fakeImage(1);
  const stored = {
    ...{ id: image.id, layers: [], sizeBytes: 1, config: image.config, source: 'registry' as const },
    names: ['docker.io/library/app:1', `docker.io/library/app@${image.manifest}`],
  };
  /** As the agent's own: what it answers depends on whom it is asked of. */
  class FakeWorker {
    readonly #named: string;
    readonly #observed: object;
    constructor(named: string, observed: object) {
      this.#named = named;
      this.#observed = observed;
    }
    pod() {
      return { spec: { containers: [{ name: 'main', image: this.#named }] } };
    }
    observed() {
      return { stage: 'run', images: new Map(), containers: new Map(), ...this.#observed };
    }
  }
  const worker = (named: string, observed: object) => new FakeWorker(named, observed) as unknown as PodWorker;
  const used = (one: PodWorker) => imagesInUse([one], [stored]).has(image.id);

  test.each<[string, string, object, boolean]>([
    ['named by a pod', 'app:1', {}, true],
    ['named by its digest beside a tag', `app:2@${image.manifest}`, {}, true],
    ['given to a pod', 'moved:1', { images: new Map([['main', { image: stored }]]) }, true],
    [
      'run after a restart of the agent',
      'moved:1',
      { containers: new Map([['main', { run: { imageId: image.id } }]]) },
      true,
    ],
    [
      'ended',
      'moved:1',
      { containers: new Map([['main', { run: { imageId: image.id, exit: {} } }]]) },
      false,
    ],
    ['named by a finished pod', 'app:1', { stage: 'finished' }, false],
    ['another', 'app:2', {}, false],
    ['no name at all', 'Not A Name', {}, false],
  ])('%s', (_, named, observed, expected) => {
    expect(used(worker(named, observed))).toBe(expected);
  });

  test('is asked of workers as they are', async () => {
    const node = new TestNode();
    await node.start();
    await node.create('web', { containers: [{ name: 'main', image: 'app:1' }] });
    await node.run(0);
    expect([...imagesInUse(node.roster.list(), [stored])]).toEqual([image.id]);
  });
});

describe('collecting on a node', () => {
  let clock: VirtualClock;
  let store: FakeImageStore;
  let tracked: TrackedImages;
  let stop: AbortController;
  let running: PodWorker[];
  let events: string[];
  let elsewhere: Set<Digest>;
  /** What others than images take of the disk. */
  let otherBytes: number;

  beforeEach(async () => {
    clock = new VirtualClock();
    store = new FakeImageStore();
    tracked = new TrackedImages(store, clock);
    stop = new AbortController();
    running = [];
    events = [];
    elsewhere = new Set();
    otherBytes = 0;
  });
  afterEach(() => stop.abort());

  const pull = async (seed: number) => {
    store.publish(`app:${seed}`, fakeImage(seed, { sizeBytes: 100 }));
    await tracked.pull(`app:${seed}`, { signal: stop.signal });
  };
  const left = async () => (await store.list()).map(({ names }) => names[0]!.split(':').at(-1)).sort();
  const start = () =>
    keepImagesInBounds({
      ...{ images: tracked, clock, log: silentLogger, signal: stop.signal, nodeName: 'n1' },
      isElsewhere: async ({ id }) => elsewhere.has(id),
      roster: { list: () => running },
      recorder: {
        record: ({ kind, metadata }, type, { reason }) =>
          void events.push(`${kind}/${metadata.name} ${type} ${reason}`),
      },
      disk: async () => {
        const images = (await store.list()).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        return { capacityBytes: 1000, availableBytes: 1000 - images - otherBytes };
      },
    });
  const pass = async (minutes: number) => {
    await clock.advance(minutes * MINUTE_MS);
    for (let i = 0; i < 50; i++) await settle();
  };
  const using = (seed: number): PodWorker =>
    ({
      pod: () => ({ spec: { containers: [{ name: 'main', image: `app:${seed}` }] } }),
      observed: () => ({ stage: 'run', images: new Map(), containers: new Map() }),
    }) as unknown as PodWorker;

  test('nothing goes while there is room', async () => {
    for (const seed of [1, 2, 3]) await pull(seed);
    void start();
    await pass(60);
    expect(await left()).toEqual(['1', '2', '3']);
    expect(events).toEqual([]);
  });

  test('unused images go, least recently used first, until there is room', async () => {
    for (const seed of [1, 2, 3, 4]) {
      await pull(seed);
      await pass(1);
    }
    void start();
    await pass(1);
    await tracked.get('app:1');
    otherBytes = 550;
    await pass(10);
    // 950 of 1000 bytes were used: two of 100 had to go to come to 800.
    expect(await left()).toEqual(['1', '4']);
    expect(events).toEqual([]);
  });

  test('what pods use stays, and it is said on the Node that too little became free', async () => {
    for (const seed of [1, 2]) await pull(seed);
    running = [using(1)];
    void start();
    await pass(1);
    otherBytes = 800;
    await pass(4);
    expect(await left()).toEqual(['1']);
    expect(events).toEqual(['Node/n1 Warning FreeDiskSpaceFailed']);
  });

  test('of what other nodes gave, the last copy stays', async () => {
    for (const seed of [1, 2]) {
      const image = fakeImage(seed, { sizeBytes: 100 });
      store.share(image);
      const loaded = fakeManifest(image.manifest);
      const peers = { holders: async function* () {}, blame: () => undefined };
      await tracked.pull(`app:${seed}`, { loaded, peers, signal: stop.signal });
    }
    elsewhere.add(fakeImage(2).id);
    void start();
    await pass(1);
    otherBytes = 700;
    await pass(4);
    expect(await left()).toEqual(['1']);
  });

  test('an image that cannot be removed is said, and the others go all the same', async () => {
    for (const seed of [1, 2]) await pull(seed);
    void start();
    await pass(1);
    otherBytes = 700;
    store.failNext('remove', 'Invalid', 'EIO');
    await pass(4);
    expect(await left()).toEqual(['1']);
    expect(events).toEqual(['Node/n1 Warning ImageGCFailed']);
  });

  test('an image that is asked for while others are removed is not taken away', async () => {
    await pull(1);
    const { id } = (await store.list())[0]!;
    await pass(5);
    const [image, removed] = await Promise.all([
      tracked.get('app:1'),
      tracked.removeUnused(id, clock.now() - 2 * MINUTE_MS),
    ]);
    expect(image?.id).toBe(id);
    expect(removed).toBe(false);
    expect(await left()).toEqual(['1']);
    await pass(5);
    expect(await tracked.removeUnused(id, clock.now() - 2 * MINUTE_MS)).toBe(true);
    expect(await tracked.get('app:1')).toBeUndefined();
  });

  test('what is forgotten by the store is forgotten here', () => {
    tracked.note(['sha256:1', 'sha256:2'], new Set(['sha256:1', 'sha256:2']));
    expect(tracked.lastUsedMs('sha256:1')).toBe(clock.now());
    tracked.note(['sha256:2'], nobody);
    expect(tracked.lastUsedMs('sha256:1')).toBe(0);
    expect(tracked.lastUsedMs('sha256:2')).toBe(clock.now());
  });
});
