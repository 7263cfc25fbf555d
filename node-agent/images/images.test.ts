import { beforeEach, describe, expect, test } from 'vitest';
import type { Container } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { FakeImageStore, fakeImage } from '#oci/fake/index.ts';
import { podWith } from '../pods/views.ts';
import type { PodSources } from '../sources/sources.ts';
import { credentialsFor, registryOf } from './credentials.ts';
import { type ImageService, imageService } from './images.ts';

const REFERENCE = 'registry.test/app:1';
const REMOTE = fakeImage(1);

let clock: VirtualClock;
let store: FakeImageStore;
let said: string[];
let secrets: Record<string, Record<string, Uint8Array>>;
let held: Set<string>;
let images: ImageService;

beforeEach(() => {
  clock = new VirtualClock();
  store = new FakeImageStore();
  store.publish(REFERENCE, REMOTE);
  said = [];
  secrets = {};
  held = new Set();
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
  images = imageService({ store, sources, recorder: recorder as never, clock, signal });
});

const container = (part: Partial<Container> = {}): Container => ({
  name: 'main',
  image: REFERENCE,
  ...part,
});
const ensure = (part: Partial<Container> = {}, spec = {}) => images.ensure(podWith(spec), container(part));

const pulls = () => store.calls.filter(({ call }) => call === 'pull').length;

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
    expect(pulls()).toBe(0);
    await ensure({ imagePullPolicy: 'Always' });
    expect(pulls()).toBe(1);
    await store.remove(REMOTE.id, new Set());
    expect(await ensure({ imagePullPolicy: 'Never' })).toMatchObject({
      failed: { reason: 'ErrImageNeverPull' },
    });
    expect(pulls()).toBe(1);
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
    expect(pulls()).toBe(asks ? 1 : 0);
  });
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
    expect(pulls()).toBe(1);
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
  expect(pulls()).toBe(1);
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
