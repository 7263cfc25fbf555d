import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packTar, unpackTar } from 'modern-tar';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LayerStore } from '../content/layers.ts';
import { ContentStore } from '../content/store.ts';
import { ImageError } from '../contract.ts';
import { layoutArchive, makeImage } from '../testing/image.ts';
import { Archive, type ArchiveLimits } from './archive.ts';
import { importArchive } from './import.ts';
import { once } from './pull.ts';

/** Attacks on the memory of whoever takes in an archive. Each works once the one limit that stops it is lifted. */

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gantry-archive-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Unpacking is no part of it. */
const layers = { ensure: async () => {}, size: async () => 0 } as unknown as LayerStore;
const platform = { os: 'linux', architecture: 'amd64' };

/** How many images were taken in, or why none was. */
async function importing(tar: Uint8Array, limits: Partial<ArchiveLimits>): Promise<string> {
  const content = await ContentStore.open(join(directory, 'content'));
  try {
    const archive = await Archive.spool(once(tar), directory, limits);
    try {
      const records = await importArchive(archive, undefined, { content, layers, platform });
      return `${records.length} taken`;
    } finally {
      await archive.close();
    }
  } catch (error) {
    if (error instanceof ImageError) return error.message;
    throw error;
  } finally {
    expect((await readdir(directory)).filter((name) => name.startsWith('archive-'))).toEqual([]);
  }
}

/** An archive of one image with its index changed, and further entries. */
async function archiveWith(
  change: (index: { manifests: object[] }) => string,
  more: { name: string; linkname?: string }[] = [],
): Promise<Uint8Array> {
  const image = await makeImage([{ a: 'one' }]);
  const whole = Buffer.from(await layoutArchive(image, 'demo/huge:v1'));
  const entries = (await unpackTar(whole)).map(({ header, data = new Uint8Array() }) => {
    const body =
      header.name === 'index.json' ? Buffer.from(change(JSON.parse(Buffer.from(data).toString()))) : data;
    return { header: { ...header, size: body.length }, body };
  });
  const links = more.map((header) => ({
    header: { ...header, size: 0, type: header.linkname ? ('symlink' as const) : ('file' as const) },
    body: '',
  }));
  return packTar([...entries, ...links]);
}

const same = (index: object) => JSON.stringify(index);

test('CVE-2023-25153: a document of an archive that is larger than any is read into no memory', async () => {
  const tar = await archiveWith((index) => `${' '.repeat(5 * 1024 * 1024)}${JSON.stringify(index)}`);
  expect(await importing(tar, {})).toBe('index.json is too large');
  expect(await importing(tar, { documentBytes: Number.POSITIVE_INFINITY })).toBe('1 taken');
});

test('CVE-2023-25153: an index that names one manifest again and again', async () => {
  const naming = (times: number) =>
    archiveWith(({ manifests: [only] }) =>
      JSON.stringify({ manifests: Array.from({ length: times }, () => only) }),
    );
  expect(await importing(await naming(1001), {})).toBe('the archive holds more than 1000 images');
  // Fewer by a factor, with the limit and past it: each image is written to the disk.
  const tar = await naming(11);
  expect(await importing(tar, { images: 10 })).toBe('the archive holds more than 10 images');
  expect(await importing(tar, { images: 11 })).toBe('11 taken');
});

test('CVE-2023-25153: more files than any image has', async () => {
  const links = Array.from({ length: 10_000 }, (_, i) => ({ name: `link-${i}`, linkname: 'index.json' }));
  const tar = await archiveWith(same, links);
  expect(await importing(tar, {})).toBe('too many files');
  expect(await importing(tar, { entries: 20_000 })).toBe('1 taken');
});

test.each([
  ['names', { name: 'n'.repeat(5000) }],
  ['links', { name: 'link', linkname: 'n'.repeat(5000) }],
])('CVE-2023-25153: %s of a length that no path has', async (_, entry) => {
  const tar = await archiveWith(same, [entry]);
  expect(await importing(tar, {})).toBe('a name in the image archive is too long');
  expect(await importing(tar, { nameLength: 10_000 })).toBe('1 taken');
});
