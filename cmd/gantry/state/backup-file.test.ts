import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeBackup } from '#apiserver/backup/write.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { writeBackupFile } from './backup-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-file-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const chunks = () =>
  writeBackup({ store: new MemoryStore(), keys: keySpace('test'), cluster: 'test', now: 1 });
const options = (force = false) => ({ force, signal: new AbortController().signal });

test('a backup is a file of its owner, and nothing else is left', async () => {
  const file = join(directory, 'a.backup');
  const { end } = await writeBackupFile(file, chunks(), options());
  expect(end.entries).toBe(0);
  expect(readdirSync(directory)).toEqual(['a.backup']);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('a file that exists is replaced only by force, and only by a whole backup', async () => {
  const file = join(directory, 'a.backup');
  writeFileSync(file, 'precious');
  await expect(writeBackupFile(file, chunks(), options())).rejects.toThrow('say --force');
  async function* cut() {
    for await (const chunk of chunks()) yield chunk.subarray(0, -1);
  }
  await expect(writeBackupFile(file, cut(), options(true))).rejects.toThrow('damaged');
  expect(readFileSync(file, 'utf8')).toBe('precious');
  expect(readdirSync(directory)).toEqual(['a.backup']);
  await writeBackupFile(file, chunks(), options(true));
  expect(readFileSync(file, 'latin1')).toMatch(/^GANTRYBK/);
});

test('a full disk and a folder that is not there are told in words', async () => {
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  // biome-ignore lint/correctness/useYield: it fails before its first chunk
  async function* failing(): AsyncGenerator<Uint8Array> {
    throw full;
  }
  const file = join(directory, 'a.backup');
  await expect(writeBackupFile(file, failing(), options())).rejects.toThrow('no room for the backup');
  await expect(writeBackupFile(join(directory, 'none', 'a'), chunks(), options())).rejects.toThrow(
    'is no folder',
  );
  expect(readdirSync(directory)).toEqual([]);
});

test('a stop leaves nothing', async () => {
  const stopped = { force: false, signal: AbortSignal.abort() };
  await expect(writeBackupFile(join(directory, 'a'), chunks(), stopped)).rejects.toThrow('stopped');
  expect(readdirSync(directory)).toEqual([]);
});
