import { execFileSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Layer } from './recipes.ts';

const ROOT_FILES: Record<string, string> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nweb:x:1000:1000:web:/:/bin/sh\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\nweb:x:1000:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
};

/** The layer's uncompressed tar: the same bytes each time. */
export function layerTar(layer: Layer): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-image-'));
  // The root of an image is everybody's to look into; the temporary directory is not.
  chmodSync(directory, 0o755);
  try {
    fill(layer, directory);
    const flags = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=pax'];
    const stable = '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime';
    const limit = { maxBuffer: 512 * 1024 * 1024 };
    return execFileSync('tar', [...flags, stable, '-C', directory, '-cf', '-', '.'], limit);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function fill(layer: Layer, directory: string): void {
  if (layer.kind === 'busybox') fillBusybox(directory);
  else if (layer.kind === 'debian') fillDebian(layer.packages, directory);
  else if (layer.kind === 'noise') writeNoise(join(directory, layer.path), layer);
  else for (const [path, text] of Object.entries(layer.files)) write(join(directory, path), text, layer.mode);
}

function fillBusybox(directory: string): void {
  const busybox = '/bin/busybox';
  mkdirSync(join(directory, 'bin'), { recursive: true });
  copyFileSync(busybox, join(directory, 'bin/busybox'));
  chmodSync(join(directory, 'bin/busybox'), 0o755);
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') symlinkSync('busybox', join(directory, 'bin', applet));
  }
  for (const [path, text] of Object.entries(ROOT_FILES)) write(join(directory, path), text, 0o644);
  for (const path of ['root', 'home', 'var/run', 'proc', 'sys', 'dev'])
    mkdirSync(join(directory, path), { recursive: true });
  for (const path of ['tmp', 'var/tmp']) {
    mkdirSync(join(directory, path), { recursive: true });
    chmodSync(join(directory, path), 0o1777);
  }
}

function fillDebian(packages: string[], directory: string): void {
  const cache = join(tmpdir(), 'gantry-debs');
  mkdirSync(cache, { recursive: true });
  for (const name of closure(packages)) {
    const isHere = () => readdirSync(cache).find((file) => file.startsWith(`${name}_`));
    if (!isHere())
      execFileSync('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', '-qq', name], {
        cwd: cache,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    const archive = execFileSync('dpkg-deb', ['--fsys-tarfile', join(cache, isHere()!)], {
      maxBuffer: 512 * 1024 * 1024,
    });
    const unneeded = ['doc', 'man', 'locale', 'lintian'].map((name) => `./usr/share/${name}`);
    unneeded.push('./usr/lib/x86_64-linux-gnu/gconv', './etc/gss');
    const excludes = unneeded.map((path) => `--exclude=${path}`);
    execFileSync('tar', ['-x', '--keep-directory-symlink', ...excludes, '-C', directory], { input: archive });
  }
}

/** The packages and all they depend on, but for what only their maintainer scripts need. */
function closure(packages: string[]): string[] {
  const no = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const text = execFileSync('apt-cache', ['depends', '--recurse', ...no, ...packages], { encoding: 'utf8' });
  const names = text.split('\n').filter((line) => /^[a-z0-9]/.test(line) && !line.includes(':'));
  return [...new Set(names)]
    .filter((name) => !/^(debconf|perl|dpkg|tar|cdebconf|libperl|install-info)/.test(name))
    .sort();
}

function write(path: string, text: string, mode: number): void {
  if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
}

/** A key stream: as good as random, and the same each time. */
function writeNoise(path: string, { bytes, seed }: { bytes: number; seed: string }): void {
  const key = createHash('sha256').update(seed).digest();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes)));
}
