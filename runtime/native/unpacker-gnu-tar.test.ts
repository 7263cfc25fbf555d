import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '#machinery/random.ts';
import { BIN_DIRECTORY, buildPrograms, whyNoRoot } from './test-root.ts';
import { type Entry, tar } from './test-tar.ts';
import { NativeUnpacker } from './unpacker.ts';

/** Everything of two trees that an archive says, as lines: the second must be as the first. Times in `skip` are left out. */
const DUMP = `
import hashlib, json, os, stat, sys
def dump(root, skip):
    seen, out = {}, []
    for at, directories, files in sorted(os.walk(root)):
        for name in sorted(directories + files):
            path = os.path.join(at, name); s = os.lstat(path); rel = os.path.relpath(path, root)
            one = seen.setdefault(s.st_ino, rel) if not stat.S_ISDIR(s.st_mode) else rel
            link = os.readlink(path) if stat.S_ISLNK(s.st_mode) else ''
            data = hashlib.sha1(open(path, 'rb').read()).hexdigest() if stat.S_ISREG(s.st_mode) else ''
            attributes = {k: os.getxattr(path, k, follow_symlinks=False).hex() for k in sorted(os.listxattr(path, follow_symlinks=False))}
            time = 0 if rel in skip else s.st_mtime_ns
            out.append([rel, oct(s.st_mode), s.st_uid, s.st_gid, s.st_rdev, time, link, one, data, attributes])
    return out
print(json.dumps([dump(root, set(json.loads(sys.argv[1]))) for root in sys.argv[2:]]))
`;

function dump(skip: string[], ...roots: string[]): unknown[][] {
  const text = execFileSync('python3', ['-c', DUMP, JSON.stringify(skip), ...roots], { encoding: 'utf8' });
  return JSON.parse(text) as unknown[][];
}

/** Archives of any shape that both must read alike: names, kinds, owners, modes, times, links, attributes. */
class Archives {
  readonly #random: Random;
  /** By its path, the kind of what the archive has made so far. */
  readonly made = new Map<string, string>();
  #directories = [''];

  constructor(random: Random) {
    this.#random = random;
  }

  entries(count: number): Entry[] {
    return Array.from({ length: count }, () => this.#entry());
  }

  /** Directories that no entry names: their times are whenever they were made. */
  implied(): string[] {
    return this.#directories.filter((path) => path !== '' && !this.made.has(path));
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)]!;
  }

  #name(): string {
    const stem = this.#one(['a', 'b', 'c', 'ä ö', 'x\ty', '-v', 'L'.repeat(120), 'M'.repeat(240)]);
    return `${stem}${this.#below(4)}`;
  }

  #entry(): Entry {
    const kind = this.#one(['0', '0', '0', '5', '5', '1', '2', '3', '6']);
    const parent = this.#one(this.#directories);
    const deep = this.#below(5) === 0 ? [`implied${this.#below(3)}`] : [];
    const path = [...(parent ? [parent] : []), ...deep, this.#name()].join('/');
    const before = this.made.get(path) ?? (this.#directories.includes(path) ? '5' : undefined);
    // What replaces a directory, or becomes one, and directories named twice are handled otherwise by GNU tar.
    const replaced = before !== undefined && (before === '5' || kind === '5');
    if (replaced && !(kind === '5' && !this.made.has(path))) return this.#entry();
    const files = [...this.made].filter(([name, type]) => type === '0' && name !== path);
    if (kind === '1' && files.length === 0) return this.#entry();
    for (const directory of deep) this.#enter(parent ? `${parent}/${directory}` : directory);
    if (kind === '5') this.#enter(path);
    this.made.set(path, kind === '1' ? '0' : kind);
    return this.#described(
      path,
      kind,
      files.map(([name]) => name),
    );
  }

  #enter(path: string): void {
    if (!this.#directories.includes(path)) this.#directories.push(path);
  }

  #described(path: string, type: string, files: string[]): Entry {
    const link =
      type === '1' ? this.#one(files) : type === '2' ? this.#one(['a', '../x', '/etc', 'n'.repeat(150)]) : '';
    const pax: Record<string, string> = {};
    const prefix = this.#one(['', './', './/']);
    const whole = `${prefix}${type === '5' ? `${path}/` : path}`;
    if (Buffer.byteLength(whole) > 99) pax['path'] = whole;
    if (Buffer.byteLength(link) > 99) pax['linkpath'] = link;
    if (this.#below(4) === 0) pax['mtime'] = this.#one(['12.25', '-3.75', '1700000000.123456789', '-7', '0']);
    if (this.#below(6) === 0) pax['uid'] = this.#one(['2147483646', '70000']);
    if (this.#below(3) === 0 && (type === '0' || type === '5'))
      pax['SCHILY.xattr.user.note'] = this.#one(['', 'one', 'two=three', 'ü']);
    return {
      path: pax['path'] ? 'cut' : whole,
      type,
      link: pax['linkpath'] ? 'cut' : link,
      ...(type === '0' && {
        content: this.#one(['', 'x', 'y'.repeat(511), 'z'.repeat(512), 'w'.repeat(5000)]),
      }),
      ...(type === '3' && { major: 1, minor: this.#one([3, 5, 7]) }),
      // The kernel takes set-id bits from devices whose owner changes, and hands on those of directories.
      mode: this.#one([0o644, 0o755, 0o1777, 0o600, 0, ...(type === '0' ? [0o4711, 0o2755] : [])]),
      uid: this.#one([0, 7, 65_534, 2_000_000]),
      gid: this.#one([0, 8, 65_534, 2_000_000]),
      mtime: this.#one([0, 1, 1_000_000_000, 4_000_000_000]),
      ...(this.#below(5) === 0 && { binary: true, uid: 3_000_000, mtime: this.#one([-1, -86_400, 2 ** 33]) }),
      ...(Object.keys(pax).length > 0 && { pax }),
    };
  }
}

const ROUNDS = 20;
const ENTRIES = 60;

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`unpack beside GNU tar (${reason ?? 'as root'})`, () => {
  let base: string;
  let unpacker: NativeUnpacker;
  // The first one may build them.
  beforeAll(buildPrograms, 60_000);
  beforeEach(async () => {
    unpacker = new NativeUnpacker(BIN_DIRECTORY);
    base = await mkdtemp(join(tmpdir(), 'gantry-gnu-tar-'));
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  async function unpackInto(directory: string, archive: Uint8Array): Promise<void> {
    await mkdir(directory);
    const bytes = (async function* () {
      yield archive;
    })();
    await unpacker.unpack(bytes, directory, new AbortController().signal);
  }

  /** `umask`: of directories that no entry names. */
  function gnu(args: string[]): Buffer {
    const command = ['-c', 'umask 022; exec tar --numeric-owner --warning=no-timestamp "$@"', 'tar', ...args];
    return execFileSync('sh', command, { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  test.each(Array.from({ length: ROUNDS }, (_, seed) => seed + 1))('archives of seed %i', async (seed) => {
    const archives = new Archives(seededRandom(seed));
    const archive = tar(...archives.entries(ENTRIES));
    const [file, theirs, ours] = [join(base, 'tar'), join(base, 'theirs'), join(base, 'ours')];
    await writeFile(file, archive);
    await mkdir(theirs);
    gnu([
      '--xattrs',
      '-xpf',
      file,
      '-C',
      theirs,
      '--xattrs-include=*',
      '--same-owner',
      '--delay-directory-restore',
      '-P',
    ]);
    await unpackInto(ours, archive);
    const [wanted, got] = dump(archives.implied(), theirs, ours);
    expect(got).toEqual(wanted);
    expect(got!.length).toBeGreaterThan(ENTRIES / 3);

    // What GNU tar itself packs comes back as it was.
    for (const format of ['pax', 'gnu']) {
      const again = join(base, format);
      await unpackInto(
        again,
        gnu(['-c', `--format=${format}`, ...(format === 'pax' ? ['--xattrs'] : []), '-C', theirs, '.']),
      );
      const [before, after] = dump([], theirs, again);
      expect(after).toEqual(format === 'pax' ? before : before!.map(wholeSeconds));
    }
  });
});

/** The GNU format has no parts of seconds, and no attributes. */
function wholeSeconds(line: unknown): unknown {
  const fields = [...(line as unknown[])];
  fields[5] = Math.floor((fields[5] as number) / 1e9) * 1e9;
  fields[9] = {};
  return fields;
}
