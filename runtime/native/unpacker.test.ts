import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BIN_DIRECTORY, buildPrograms, whyNoRoot } from './test-root.ts';
import { BLOCK, tar } from './test-tar.ts';
import { NativeUnpacker } from './unpacker.ts';

async function* pieces(bytes: Uint8Array, size = 1000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`unpack (${reason ?? 'as root'})`, () => {
  let base: string;
  let layer: string;
  let unpacker: NativeUnpacker;

  // The first one may build them.
  beforeAll(buildPrograms, 60_000);
  beforeEach(async () => {
    unpacker = new NativeUnpacker(BIN_DIRECTORY);
    base = await mkdtemp(join(tmpdir(), 'gantry-unpack-'));
    layer = join(base, 'layer');
    await mkdir(layer);
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  const unpack = (bytes: Uint8Array, signal = new AbortController().signal) =>
    unpacker.unpack(pieces(bytes), layer, signal);

  test('makes files, directories and links with their owners, modes and times', async () => {
    await unpack(
      tar(
        { path: './', type: '5', mode: 0o755 },
        { path: 'etc/', type: '5', mode: 0o750, uid: 7, gid: 8, mtime: 1234 },
        { path: 'etc/file', content: 'hello', mode: 0o4755, uid: 1000, gid: 2_000_000, mtime: 5678 },
        { path: 'etc/soft', type: '2', link: '/etc/file', uid: 9 },
        { path: 'etc/hard', type: '1', link: 'etc/file' },
        { path: 'dev/fifo', type: '6' },
        { path: 'dev/null', type: '3', major: 1, minor: 3, mode: 0o666 },
      ),
    );
    const file = await lstat(join(layer, 'etc/file'));
    expect(file.mode & 0o7777).toBe(0o4755);
    expect([file.uid, file.gid, file.mtimeMs, file.nlink]).toEqual([1000, 2_000_000, 5_678_000, 2]);
    expect(await readFile(join(layer, 'etc/hard'), 'utf8')).toBe('hello');
    expect(await readlink(join(layer, 'etc/soft'))).toBe('/etc/file');
    expect((await lstat(join(layer, 'etc/soft'))).uid).toBe(9);
    const directory = await lstat(join(layer, 'etc'));
    expect([directory.mode & 0o7777, directory.uid, directory.mtimeMs]).toEqual([0o750, 7, 1_234_000]);
    expect((await lstat(join(layer, 'dev/null'))).isCharacterDevice()).toBe(true);
    expect((await lstat(join(layer, 'dev/fifo'))).isFIFO()).toBe(true);
  });

  test('turns whiteouts into the form of overlayfs', async () => {
    await unpack(
      tar(
        { path: 'a/.wh.gone' },
        { path: 'b/', type: '5', mode: 0o755 },
        { path: 'b/.wh..wh..opq' },
        { path: 'b/kept', content: 'x' },
        { path: 'b/.wh.kept' },
        { path: '.wh..wh.plnk' },
      ),
    );
    const gone = await lstat(join(layer, 'a/gone'));
    expect([gone.isCharacterDevice(), gone.rdev]).toEqual([true, 0]);
    const dump = execFileSync('python3', [
      '-c',
      `import os;print(os.getxattr(${JSON.stringify(join(layer, 'b'))}, 'trusted.overlay.opaque'))`,
    ]);
    expect(dump.toString().trim()).toBe("b'y'");
    expect(await readFile(join(layer, 'b/kept'), 'utf8')).toBe('x');
    expect((await readdir(layer)).sort()).toEqual(['a', 'b']);
  });

  test('reads long names, pax records and extended attributes', async () => {
    const long = `${'d'.repeat(150)}/${'f'.repeat(150)}`;
    await unpack(
      tar(
        {
          path: 'short',
          content: 'pax',
          pax: { path: long, uid: '300000', mtime: '42.5', 'SCHILY.xattr.user.note': 'kept' },
        },
        { path: '././@LongLink', type: 'L', content: `gnu/${'n'.repeat(200)}\0` },
        { path: 'cut', content: 'gnu' },
      ),
    );
    expect(await readFile(join(layer, long), 'utf8')).toBe('pax');
    expect((await lstat(join(layer, long))).uid).toBe(300_000);
    expect(await readFile(join(layer, 'gnu', 'n'.repeat(200)), 'utf8')).toBe('gnu');
  });

  test('a later entry replaces an earlier one of another kind', async () => {
    await unpack(
      tar(
        { path: 'x/', type: '5', mode: 0o755 },
        { path: 'x/deep/file', content: '1' },
        { path: 'x', content: 'file now' },
        { path: 'y', type: '2', link: '/tmp' },
        { path: 'y/', type: '5', mode: 0o755 },
      ),
    );
    expect(await readFile(join(layer, 'x'), 'utf8')).toBe('file now');
    expect((await lstat(join(layer, 'y'))).isDirectory()).toBe(true);
  });

  describe('stays in its directory', () => {
    const secret = () => join(base, 'secret');

    test('when names climb', async () => {
      for (const path of ['../secret', 'a/../../secret', 'a/..', '..']) {
        await expect(unpack(tar({ path, content: 'x' })), path).rejects.toMatchObject({
          code: 'InvalidSpec',
        });
      }
      await expect(lstat(secret())).rejects.toThrow('ENOENT');
    });

    test('when names are absolute', async () => {
      await unpack(tar({ path: '/etc/absolute', content: 'x' }));
      expect(await readFile(join(layer, 'etc/absolute'), 'utf8')).toBe('x');
    });

    test('when a link made before leads out: it is resolved as in the container', async () => {
      await mkdir(secret());
      for (const link of [secret(), '../secret']) {
        const entries = tar({ path: 'out', type: '2', link }, { path: 'out/file', content: 'x' });
        await unpack(entries).catch(() => {});
        expect(await readdir(secret())).toEqual([]);
      }
    });

    test('when a hard link names a file outside', async () => {
      const entries = tar(
        { path: 'out', type: '2', link: base },
        { path: 'stolen', type: '1', link: 'out/layer/../../../etc/passwd' },
      );
      await expect(unpack(entries)).rejects.toMatchObject({ code: 'InvalidSpec' });
      await expect(unpack(tar({ path: 's', type: '1', link: '/etc/passwd' }))).rejects.toMatchObject({
        code: 'Kernel',
      });
    });

    test("when attributes are overlayfs' own", async () => {
      const pax = { 'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.user.fine': 'yes' };
      await unpack(tar({ path: 'dir/', type: '5', mode: 0o755, pax }));
      const list = execFileSync('python3', [
        '-c',
        `import os;print(os.listxattr(${JSON.stringify(join(layer, 'dir'))}))`,
      ]);
      expect(list.toString()).toContain('user.fine');
      expect(list.toString()).not.toContain('overlay');
    });
  });

  describe('refuses', () => {
    test('what is damaged, saying so', async () => {
      const good = tar({ path: 'file', content: 'x'.repeat(3000) });
      const flipped = Buffer.from(good);
      flipped[0] = flipped[0]! ^ 1;
      for (const bytes of [good.subarray(0, 700), good.subarray(0, 100), flipped, Buffer.alloc(2000, 0x41)]) {
        await expect(unpack(bytes)).rejects.toMatchObject({ code: 'InvalidSpec', step: 'unpack' });
      }
    });

    test('malformed pax records and sizes', async () => {
      const records: Record<string, string>[] = [
        { size: '-1' },
        { uid: '4294967296' },
        { path: 'p'.repeat(5000) },
        { 'GNU.sparse.major': '1' },
      ];
      for (const pax of records) {
        await expect(
          unpack(tar({ path: 'f', content: 'x', pax })),
          JSON.stringify(pax),
        ).rejects.toMatchObject({
          code: 'InvalidSpec',
        });
      }
    });

    test('sparse files', async () => {
      await expect(unpack(tar({ path: 'f', type: 'S' }))).rejects.toThrow('sparse');
    });

    test('a directory that is not there', async () => {
      await rm(layer, { recursive: true });
      await expect(unpack(tar({ path: 'f' }))).rejects.toMatchObject({ code: 'Kernel' });
    });

    test('to go on when told to stop, or when its source fails', async () => {
      const controller = new AbortController();
      async function* endless() {
        yield tar({ path: 'f', size: 1 << 30 }).subarray(0, BLOCK);
        for (let i = 0; i < 10_000; i++) {
          if (i === 3) controller.abort(new Error('enough'));
          yield Buffer.alloc(1000);
        }
      }
      await expect(unpacker.unpack(endless(), layer, controller.signal)).rejects.toThrow('enough');
      async function* broken() {
        yield tar({ path: 'f' }).subarray(0, 100);
        throw new Error('the network broke');
      }
      await expect(unpacker.unpack(broken(), layer, new AbortController().signal)).rejects.toThrow(
        'the network broke',
      );
    });
  });

  test('random damage never escapes, hangs or crashes it', async () => {
    const good = tar(
      { path: 'a/', type: '5', mode: 0o755, pax: { mtime: '1' } },
      { path: 'a/f', content: 'x'.repeat(600) },
      { path: 'l', type: '2', link: '../..' },
      { path: 'l/x', type: '1', link: 'a/f' },
    );
    let seed = 12345;
    const random = (limit: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % limit;
    };
    for (let round = 0; round < 150; round++) {
      const bytes = Buffer.from(good);
      for (let i = 0; i < 1 + random(4); i++) bytes[random(bytes.length)] = random(256);
      const result = await unpack(bytes).then(
        () => 'ok',
        (error) => String(error.message),
      );
      // Killed by a signal it would have said nothing.
      expect(result).not.toContain('ended with code');
    }
    expect((await readdir(base)).sort()).toEqual(['layer']);
  });
});
