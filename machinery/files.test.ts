import { mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { filesConformance } from './files.conformance.ts';
import { systemFiles } from './files.ts';
import { MemoryFiles } from './files-memory.ts';

const made: string[] = [];
afterEach(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});

async function room(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-files-'));
  made.push(root);
  return root;
}

describe('the disk', () => {
  filesConformance(async () => ({ files: systemFiles(), root: await room() }));

  test('a file has the mode asked for, whatever it had before', async () => {
    const root = await room();
    await systemFiles().write(join(root, 'key'), 'x', 0o644);
    await systemFiles().write(join(root, 'key'), 'y', 0o600);
    expect((await stat(join(root, 'key'))).mode & 0o777).toBe(0o600);
  });

  test('removing a link to a directory leaves the directory', async () => {
    const [root, other] = [await room(), await room()];
    await systemFiles().write(join(other, 'kept'), 'x');
    await symlink(other, join(root, 'link'));
    await systemFiles().remove(join(root, 'link'));
    expect(await systemFiles().list(other)).toEqual(['kept']);
  });

  test('a failed write leaves no temporary file behind', async () => {
    const root = await room();
    await systemFiles().mkdir(join(root, 'd/inner'));
    await expect(systemFiles().write(join(root, 'd'), 'x')).rejects.toBeDefined();
    expect(await readdir(root)).toEqual(['d']);
  });
});

describe('memory', () => {
  filesConformance(async () => {
    const files = new MemoryFiles();
    await files.mkdir('/work');
    return { files, root: '/work' };
  });

  test('a failure knob fails one operation and changes nothing', async () => {
    const files = new MemoryFiles();
    await files.mkdir('/d');
    await files.write('/d/a', 'old');
    files.failNext('write', 'ENOSPC');
    await expect(files.write('/d/a', 'new')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(Buffer.from((await files.read('/d/a'))!).toString()).toBe('old');
    await files.write('/d/a', 'new');
  });
});
