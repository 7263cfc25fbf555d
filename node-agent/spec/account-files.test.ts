import { execFileSync } from 'node:child_process';
import type * as promises from 'node:fs/promises';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readAccountFiles } from './account-files.ts';

/** Attacks by an image on whoever reads its account files on the node. */

/** Whether links are followed, as by a reader that does not look. */
let careless = false;

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof promises>();
  return {
    ...real,
    lstat: (path: string) => (careless ? real.stat(path) : real.lstat(path)),
    open: (path: string, flags: number) =>
      real.open(path, careless ? flags & ~real.constants.O_NOFOLLOW : flags),
  };
});

const PASSWD = 'node:x:7:7::/:/bin/sh\n';
let base: string;
let layer: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'gantry-accounts-'));
  layer = join(base, 'layer');
  await mkdir(join(base, 'victim'));
  await mkdir(layer);
  await writeFile(join(base, 'victim/passwd'), PASSWD);
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function read(off: boolean): Promise<string> {
  careless = off;
  try {
    return (await readAccountFiles([layer])).passwd;
  } finally {
    careless = false;
  }
}

describe('a file of the node read in place of the image’s', () => {
  test('CVE-2018-15664: /etc/passwd is a link out of the root', async () => {
    await mkdir(join(layer, 'etc'));
    await symlink(join(base, 'victim/passwd'), join(layer, 'etc/passwd'));
    expect(await read(false)).toBe('');
    expect(await read(true)).toBe(PASSWD);
  });

  test('CVE-2018-15664: /etc is one', async () => {
    await symlink(join(base, 'victim'), join(layer, 'etc'));
    expect(await read(false)).toBe('');
    expect(await read(true)).toBe(PASSWD);
  });

  test('CVE-2018-15664: a magic link to what the reader itself has open', async () => {
    const real = await vi.importActual<typeof promises>('node:fs/promises');
    const secret = await real.open(join(base, 'victim/passwd'), 'r');
    try {
      await mkdir(join(layer, 'etc'));
      await symlink(`/proc/self/fd/${secret.fd}`, join(layer, 'etc/passwd'));
      expect(await read(false)).toBe('');
      expect(await read(true)).toBe(PASSWD);
    } finally {
      await secret.close();
    }
  });
});

describe('a reader of account files', () => {
  test('does not wait at a FIFO', async () => {
    await mkdir(join(layer, 'etc'));
    execFileSync('mkfifo', [join(layer, 'etc/passwd')]);
    expect(await read(false)).toBe('');
  });

  test('takes a mebibyte of a huge file', async () => {
    await mkdir(join(layer, 'etc'));
    await writeFile(join(layer, 'etc/passwd'), PASSWD);
    await truncate(join(layer, 'etc/passwd'), 2 ** 40);
    const text = await read(false);
    expect(text.length).toBe(1024 * 1024);
    expect(text.startsWith(PASSWD)).toBe(true);
  });
});
