import { describe, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { Node } from '#api/objects.ts';
import { LOADED_IMAGES, type LoadedImage, loadedImages } from '#api/semantics/loaded-images.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { seededRandom } from '#machinery/random.ts';
import { whereText } from './image-load.ts';
import { spreadState, writeLoaded } from './image-names.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const image: LoadedImage = {
  name: 'docker.io/library/app:1',
  id: digest('a'),
  manifest: { digest: digest('b'), size: 500 },
  sizeBytes: 1000,
  nodes: 'all',
};
const NAMES = [image.name, `docker.io/library/app@${image.manifest.digest}`];

describe('how far an image has come', () => {
  const node = (name: string, names: string[], ready = 'True'): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { images: [{ names }], conditions: [{ type: 'Ready', status: ready }] },
  });
  const nodes = [node('a', NAMES), node('b', []), node('c', [], 'Unknown'), node('d', [NAMES[0]!])];

  test.each<[string, LoadedImage['nodes'], string]>([
    ['wanted on all', 'all', 'on 1 of 4 nodes; b, d did not get it yet; c gets it when it is there'],
    ['wanted on some', ['a', 'b'], 'on 1 of 2 nodes; b did not get it yet'],
    ['wanted on one that is unknown', ['z'], 'on 1 of 2 nodes; z gets it when it is there'],
    ['wanted by nobody', [], 'on 1 of 1 node'],
  ])('%s', (_, wanted, words) => {
    expect(whereText(spreadState({ ...image, nodes: wanted }, nodes))).toBe(words);
  });

  test('a node that has another image under the name has it not', () => {
    expect(spreadState(image, [node('d', [NAMES[0]!])])).toEqual({ have: [], missing: ['d'], away: [] });
  });
});

describe('names in the cluster', () => {
  const world = () => new FakeCluster({ clock: new VirtualClock(), random: seededRandom(1) });
  const other = { ...image, name: 'docker.io/library/other:1' };

  test('are added to those that there are; the last one who says what a name means is right', async () => {
    const { client } = world();
    await writeLoaded(client, [image]);
    await writeLoaded(client, [other]);
    await writeLoaded(client, [{ ...image, id: digest('c') }]);
    const { data } = await client.get(ConfigMapKind, LOADED_IMAGES);
    expect([...loadedImages(data).values()].map(({ name, id }) => [name, id])).toEqual(
      expect.arrayContaining([
        [image.name, digest('c')],
        [other.name, image.id],
      ]),
    );
  });

  test('two who are the first at once both get theirs in', async () => {
    const { client } = world();
    await Promise.all([writeLoaded(client, [image]), writeLoaded(client, [other])]);
    const { data } = await client.get(ConfigMapKind, LOADED_IMAGES);
    expect([...loadedImages(data).keys()].sort()).toEqual([image.name, other.name]);
  });
});
