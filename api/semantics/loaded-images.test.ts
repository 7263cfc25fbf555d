import { expect, test } from 'vitest';
import {
  isWantedOn,
  type LoadedImage,
  loadedImageKey,
  loadedImages,
  loadedImageText,
} from './loaded-images.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const image: LoadedImage = {
  name: 'docker.io/library/app:1',
  id: digest('a'),
  manifest: { digest: digest('b'), size: 500 },
  sizeBytes: 1000,
  nodes: 'all',
};
const key = loadedImageKey(image.name);

test('an entry is read as it was written, under a key that a ConfigMap can have', () => {
  expect(loadedImages({ [key]: loadedImageText(image) })).toEqual(new Map([[image.name, image]]));
  expect(key).toMatch(/^[-._a-zA-Z0-9]{1,253}$/);
  expect(loadedImages(undefined).size).toBe(0);
});

test.each<[string, string]>([
  ['no JSON', '{'],
  ['nothing', 'null'],
  ['no digest', loadedImageText({ ...image, id: 'sha256:1' })],
  ['no manifest', JSON.stringify({ ...image, manifest: undefined })],
  ['a manifest larger than any', loadedImageText({ ...image, manifest: { digest: digest('b'), size: 1e9 } })],
  ['nodes that are none', JSON.stringify({ ...image, nodes: 'some' })],
  ['another name', loadedImageText({ ...image, name: 'docker.io/library/other:1' })],
])('an entry with %s is passed over', (_, text) => {
  const other = { ...image, name: 'docker.io/library/b:1' };
  const data = { [key]: text, [loadedImageKey(other.name)]: loadedImageText(other) };
  expect([...loadedImages(data).keys()]).toEqual([other.name]);
});

test('which nodes are to have it', () => {
  expect(isWantedOn(image, 'n1')).toBe(true);
  expect(isWantedOn({ ...image, nodes: ['n2'] }, 'n2')).toBe(true);
  expect(isWantedOn({ ...image, nodes: ['n2'] }, 'n1')).toBe(false);
  expect(isWantedOn({ ...image, nodes: [] }, 'n1')).toBe(false);
});
