import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Transport } from '#machinery/transport.ts';
import { sourceAt, sourceOf } from './programs.ts';

let home: string;
let prefix: string;
const show = () => {};

/** A program that says a version and does nothing. */
function programAt(folder: string, version: string, says = version): string {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }));
  writeFileSync(join(folder, 'bin/gantry'), `#!/bin/sh\necho ${says}\n`);
  chmodSync(join(folder, 'bin/gantry'), 0o755);
  return folder;
}

function archiveOf(version: string, says = version): string {
  programAt(join(home, `gantry-${version}`), version, says);
  const archive = join(home, 'node.tar.gz');
  execFileSync('tar', ['--create', '--gzip', '--file', archive, '--directory', home, `gantry-${version}`]);
  return archive;
}

function server(archive: string, length = statSync(archive).size): Transport {
  const body = readFileSync(archive);
  const headers = { 'content-length': String(length) };
  return {
    request: async ({ path }) =>
      path.endsWith('.tar.gz') ? { status: 200, headers, body } : { status: 404, headers: {}, body },
    upgrade: () => Promise.reject(new Error('not asked for')),
  };
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-programs-'));
  prefix = join(home, 'opt');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('a folder is used as it is', async () => {
  const folder = programAt(join(home, 'new'), '0.2.0');
  const source = await sourceAt(folder);
  expect(source.version).toBe('0.2.0');
  expect(await source.obtain(prefix, show)).toEqual({ folder, version: '0.2.0' });
});

test('an archive tells its version before it is unpacked, and is unpacked once', async () => {
  const source = await sourceAt(archiveOf('0.2.0'));
  expect(source.version).toBe('0.2.0');
  const first = await source.obtain(prefix, show);
  expect(first.folder).toMatch(/\/opt\/0\.2\.0-[0-9a-f]{12}$/);
  expect(await source.obtain(prefix, show)).toEqual(first);
  expect(readdirSync(prefix)).toHaveLength(1);
});

test('a server gives what an archive has', async () => {
  const seen: number[] = [];
  const archive = archiveOf('0.2.0');
  const source = sourceOf('https://a:6443', '0.2.0', server(archive));
  const { version } = await source.obtain(prefix, (bytes) => seen.push(bytes));
  expect(version).toBe('0.2.0');
  expect(seen.at(-1)).toBe(statSync(archive).size);
});

test('what is not whole, or another version, leaves nothing behind', async () => {
  const archive = archiveOf('0.2.0');
  const longer = sourceOf('https://a:6443', '0.2.0', server(archive, 1e9));
  await expect(longer.obtain(prefix, show)).rejects.toThrow('of 1000000000 bytes of the programs have come');
  const other = await sourceAt(archiveOf('0.2.0', '0.1.0'));
  await expect(other.obtain(prefix, show)).rejects.toThrow('says it is gantry 0.1.0, and should be 0.2.0');
  const lost = sourceOf('https://a:6443', '0.2.0', {
    ...server(archive),
    request: async () => ({ status: 503, headers: {}, body: Buffer.alloc(0) }),
  });
  await expect(lost.obtain(prefix, show)).rejects.toThrow('https://a:6443 answers 503');
  expect(readdirSync(prefix)).toEqual([]);
});

test('what is no program is said', async () => {
  await expect(sourceAt(join(home, 'nowhere'))).rejects.toThrow('does not exist');
  await expect(sourceAt(home)).rejects.toThrow('holds no gantry');
  const archive = archiveOf('0.2.0');
  truncateSync(archive, 20);
  await expect(sourceAt(archive)).rejects.toThrow('is no archive of programs');
  const folder = programAt(join(home, 'dead'), '0.2.0');
  writeFileSync(join(folder, 'bin/gantry'), '#!/bin/sh\nexit 3\n');
  const dead = await sourceAt(folder);
  await expect(dead.obtain(prefix, show)).rejects.toThrow('gantry 0.2.0 does not run on this machine');
});
