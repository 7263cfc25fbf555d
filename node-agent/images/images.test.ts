import { beforeEach, describe, expect, test } from 'vitest';
import type { Container } from '#api/objects.ts';
import type { LoadedImage } from '#api/semantics/loaded-images.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { Peers } from '#oci/contract.ts';
import { FAKE_PEER, FakeImageStore, fakeImage, fakeManifest } from '#oci/fake/index.ts';
import { podWith } from '../pods/views.ts';
import type { PodSources } from '../sources/sources.ts';
import { credentialsFor, registryOf } from './credentials.ts';
import { type ImageService, imageService } from './images.ts';
import { Pulls } from './pulls.ts';

const REFERENCE = 'registry.test/app:1';
const REMOTE = fakeImage(1);

let clock: VirtualClock;
let store: FakeImageStore;
let said: string[];
let secrets: Record<string, Record<string, Uint8Array>>;
let held: Set<string>;
let images: ImageService;
let pulls: Pulls;
let loaded: Map<string, LoadedImage>;
/** The fake store finds what other nodes have by itself. */
const NO_PEERS: Peers = { holders: async function* () {}, blame: () => undefined };

beforeEach(() => {
  clock = new VirtualClock();
  store = new FakeImageStore();
  store.publish(REFERENCE, REMOTE);
  said = [];
  secrets = {};
  held = new Set();
  loaded = new Map();
  const sources: PodSources = {
    acquire: async (user) => void held.add(user),
    release: (user) => void held.delete(user),
    configMap: () => undefined,
    secret: (_, name) => secrets[name],
  };
  const recorder = {
    record: (_: unknown, __: string, why: { reason: string; message?: string }) =>
      void said.push(`${why.reason}: ${why.message}`),
  };
  const signal = new AbortController().signal;
  pulls = new Pulls(store, { loaded: (name) => loaded.get(name), peersFor: () => NO_PEERS }, signal);
  images = imageService({ pulls, sources, recorder: recorder as never, clock });
});

const container = (part: Partial<Container> = {}): Container => ({
  name: 'main',
  image: REFERENCE,
  ...part,
});
const ensure = (part: Partial<Container> = {}, spec = {}) => images.ensure(podWith(spec), container(part));

const pullCount = () => store.calls.filter(({ call }) => call === 'pull').length;

/** Puts an image on the node; that pull is not counted. */
async function have(reference: string): Promise<void> {
  store.publish(reference, REMOTE);
  await store.pull(reference, { signal: new AbortController().signal });
  store.calls.length = 0;
}

describe('the pull policy', () => {
  test('IfNotPresent takes what is there; Always asks again; Never does not ask', async () => {
    await have(REFERENCE);
    expect(await ensure()).toMatchObject({
      image: { id: REMOTE.id },
      imageId: `registry.test/app@${REMOTE.manifest}`,
    });
    expect(pullCount()).toBe(0);
    await ensure({ imagePullPolicy: 'Always' });
    expect(pullCount()).toBe(1);
    await store.remove(REMOTE.id, new Set());
    expect(await ensure({ imagePullPolicy: 'Never' })).toMatchObject({
      failed: { reason: 'ErrImageNeverPull' },
    });
    expect(pullCount()).toBe(1);
  });

  test.each([
    ['app', true],
    ['app:latest', true],
    ['registry.test:5000/app', true],
    ['app:1', false],
    [`app@${REMOTE.manifest}`, false],
  ])('%s without a policy is asked for each time: %s', async (image, asks) => {
    await have(image);
    await ensure({ image });
    expect(pullCount()).toBe(asks ? 1 : 0);
  });
});

describe('an image that was loaded into the cluster', () => {
  const LOADED = fakeImage(2, { sizeBytes: 70 });
  const NAME = 'docker.io/demo/app:1';
  const load = (image = LOADED) => {
    store.share(image);
    loaded.set(NAME, {
      ...{ name: NAME, id: image.id, manifest: fakeManifest(image.manifest), sizeBytes: image.sizeBytes },
      nodes: [],
    });
  };
  const start = (imagePullPolicy?: string) => ensure({ image: 'demo/app:1', ...{ imagePullPolicy } });

  test('comes from other nodes where it is not present, and the event names them', async () => {
    load();
    expect(await start()).toMatchObject({ image: { id: LOADED.id, source: 'peers' } });
    expect(said.at(-1)).toMatch(new RegExp(`Image size: 70 bytes. From node ${FAKE_PEER}\\.$`));
    expect(pulls.received).toEqual({ peers: 70, registry: 0 });
    await start();
    expect(pullCount()).toBe(1);
  });

  test('Never does not fetch it, and takes what is here whatever the cluster means', async () => {
    load();
    expect(await start('Never')).toMatchObject({ failed: { reason: 'ErrImageNeverPull' } });
    await have('demo/app:1');
    expect(await start('Never')).toMatchObject({ image: { id: REMOTE.id } });
    expect(pullCount()).toBe(0);
  });

  test('Always asks the registry what the name means', async () => {
    load();
    expect(await start('Always')).toMatchObject({ failed: { reason: 'ErrImagePull' } });
    expect(said.join()).toContain('manifest unknown');
  });

  test('loaded anew under the name, it takes the place of what is here', async () => {
    load();
    await start();
    const newer = fakeImage(3);
    load(newer);
    expect(await start()).toMatchObject({ image: { id: newer.id } });
  });

  test('that nobody has any more is not taken from a registry', async () => {
    load();
    store.publish('demo/app:1', REMOTE);
    loaded.set(NAME, { ...loaded.get(NAME)!, manifest: fakeManifest(fakeImage(9).manifest) });
    expect(await start()).toMatchObject({ failed: { reason: 'ErrImagePull' } });
  });
});

test('who comes with other credentials does not share the pull', async () => {
  const [one, two] = await Promise.allSettled([
    pulls.fetch(REFERENCE, { username: 'me', password: 'secret' }),
    pulls.fetch(REFERENCE, undefined),
  ]);
  expect([one.status, two.status]).toEqual(['fulfilled', 'fulfilled']);
  expect(pullCount()).toBe(2);
});

describe('a pull that fails', () => {
  test('says so in the words of the registry, then waits longer each time', async () => {
    for (let i = 0; i < 7; i++) store.failNext('pull', 'NotFound', 'manifest unknown');
    expect(await ensure()).toEqual({
      failed: { reason: 'ErrImagePull', message: 'manifest unknown' },
      retryAtMs: clock.now() + 1_000,
    });
    await clock.advance(1_000);
    expect(await ensure()).toMatchObject({
      failed: {
        reason: 'ImagePullBackOff',
        message: `Back-off pulling image "${REFERENCE}": ErrImagePull: manifest unknown`,
      },
      retryAtMs: clock.now() + 9_000,
    });
    expect(pullCount()).toBe(1);
    const delays: number[] = [];
    for (let i = 0; i < 6; i++) {
      const waiting = await ensure();
      const untilMs = 'failed' in waiting ? waiting.retryAtMs : 0;
      delays.push(untilMs - clock.now());
      await clock.advance(untilMs - clock.now());
      await ensure();
    }
    expect(delays).toEqual([9_000, 20_000, 40_000, 80_000, 160_000, 300_000]);
    await clock.advance(300_000);
    expect(await ensure()).toMatchObject({ image: { id: REMOTE.id } });
  });

  test('a name that is none is not asked for again soon', async () => {
    expect(await ensure({ image: 'UPPER' })).toMatchObject({ failed: { reason: 'InvalidImageName' } });
    expect(said.at(-1)).toBe('Failed: Error: InvalidImageName');
  });

  test('is not remembered for other images', async () => {
    store.failNext('pull', 'NotFound', 'no');
    await ensure();
    store.publish('registry.test/other:1', REMOTE);
    expect(await ensure({ image: 'registry.test/other:1' })).toMatchObject({ image: { id: REMOTE.id } });
  });
});

test('pods that want one image at the same time share the pull', async () => {
  const [one, two] = await Promise.all([ensure(), ensure()]);
  expect(one).toMatchObject({ image: { id: REMOTE.id } });
  expect(two).toEqual(one);
  expect(pullCount()).toBe(1);
});

const login = (auths: object) => ({ '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })) });

test('the secrets of the pod are looked through in order, and let go', async () => {
  secrets['other'] = login({ 'elsewhere.test': { username: 'x', password: 'y' } });
  secrets['mine'] = login({ 'registry.test': { auth: Buffer.from('me:pass:word').toString('base64') } });
  await ensure({}, { imagePullSecrets: [{ name: 'missing' }, { name: 'other' }, { name: 'mine' }] });
  const used = store.calls.find(({ call }) => call === 'pull')?.credentials;
  expect(used).toEqual({ username: 'me', password: 'pass:word' });
  expect(held.size).toBe(0);
});

describe('credentials', () => {
  test.each([
    ['nginx', 'docker.io'],
    ['library/nginx:1', 'docker.io'],
    ['localhost/app', 'localhost'],
    ['registry.test:5000/a/b', 'registry.test:5000'],
  ])('%s is of %s', (reference, registry) => expect(registryOf(reference)).toBe(registry));

  const user = (name: string) => ({ username: name, password: 'p' });
  test.each([
    ['nginx', { 'https://index.docker.io/v1/': user('hub') }, 'hub'],
    ['registry.test/team/app', { 'registry.test': user('all'), 'registry.test/team': user('team') }, 'team'],
    ['registry.test/team2/app', { 'registry.test/team': user('team') }, undefined],
    ['registry.test/app', { 'registry.test.evil.example': user('evil') }, undefined],
  ])('for %s', (reference, auths, name) => {
    expect(credentialsFor(reference, login(auths))?.username).toBe(name);
  });

  test('a secret that is no JSON has none', () => {
    expect(credentialsFor('nginx', { '.dockerconfigjson': Buffer.from('{') })).toBeUndefined();
  });
});
