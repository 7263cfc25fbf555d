import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Files } from './io.ts';

/** The cases every Files passes. `make` returns one and an empty directory to work in. */
export function filesConformance(make: () => Promise<{ files: Files; root: string }>): void {
  const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

  test('what is not there reads as undefined, lists as empty and is removed without complaint', async () => {
    const { files, root } = await make();
    expect(await files.read(join(root, 'none'))).toBeUndefined();
    expect(await files.stat(join(root, 'none'))).toBeUndefined();
    expect(await files.list(join(root, 'none'))).toEqual([]);
    await files.remove(join(root, 'none'));
  });

  test('a write replaces the whole file', async () => {
    const { files, root } = await make();
    await files.write(join(root, 'a'), 'a long first version');
    await files.write(join(root, 'a'), new TextEncoder().encode('short'));
    expect(text(await files.read(join(root, 'a')))).toBe('short');
    expect(await files.stat(join(root, 'a'))).toMatchObject({ sizeBytes: 5, isDirectory: false });
    expect(await files.list(root)).toEqual(['a']);
  });

  test('a write needs its directory', async () => {
    const { files, root } = await make();
    await expect(files.write(join(root, 'no/file'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('directories are made with their parents, listed in order and removed whole', async () => {
    const { files, root } = await make();
    await files.mkdir(join(root, 'd/e/f'));
    await files.mkdir(join(root, 'd/e/f'));
    await files.write(join(root, 'd/b'), '');
    await files.write(join(root, 'd/a'), '');
    expect(await files.list(join(root, 'd'))).toEqual(['a', 'b', 'e']);
    expect((await files.stat(join(root, 'd/e')))?.isDirectory).toBe(true);
    await files.remove(join(root, 'd'));
    expect(await files.stat(join(root, 'd/e/f'))).toBeUndefined();
    expect(await files.list(root)).toEqual([]);
  });

  test('rename moves a file over another and a directory with its content', async () => {
    const { files, root } = await make();
    await files.write(join(root, 'a'), 'new');
    await files.write(join(root, 'b'), 'old');
    await files.rename(join(root, 'a'), join(root, 'b'));
    expect(text(await files.read(join(root, 'b')))).toBe('new');
    await files.mkdir(join(root, 'd'));
    await files.write(join(root, 'd/x'), 'inside');
    await files.rename(join(root, 'd'), join(root, 'e'));
    expect(text(await files.read(join(root, 'e/x')))).toBe('inside');
    expect(await files.list(root)).toEqual(['b', 'e']);
    await expect(files.rename(join(root, 'none'), join(root, 'z'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
}
