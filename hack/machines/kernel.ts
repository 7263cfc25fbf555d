import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What Debian calls the newest kernel for virtual machines; it depends on the package that has it. */
const META_PACKAGE = 'linux-image-cloud-amd64';

/** A kernel unpacked from its package. */
export interface Kernel {
  /** As uname says it: `6.1.0-13-cloud-amd64`. */
  release: string;
  image: string;
  /** Holds `lib/modules/<release>`, with modules.dep. */
  directory: string;
}

/**
 * Debian's cloud kernel, fetched by apt and unpacked (not installed) below `cache`. Throws when apt knows none; with one
 * in the cache the network is not needed.
 */
export function fetchKernel(cache: string): Kernel {
  const name = newestPackage();
  const directory = join(cache, name);
  const kernel = { release: name.replace('linux-image-', ''), directory };
  if (!existsSync(directory)) unpack(name, kernel.release, directory);
  return { ...kernel, image: join(directory, 'boot', `vmlinuz-${kernel.release}`) };
}

function newestPackage(): string {
  const depends = () => {
    const text = execFileSync('apt-cache', ['depends', META_PACKAGE], { encoding: 'utf8', stdio: 'pipe' });
    return /Depends: (linux-image-\S+)/.exec(text)?.[1];
  };
  let name = depends();
  if (!name) {
    execFileSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'] });
    name = depends();
  }
  if (!name) throw new Error(`apt knows no ${META_PACKAGE} for this machine`);
  return name;
}

function unpack(name: string, release: string, directory: string): void {
  const unfinished = `${directory}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  execFileSync('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', '-qq', name], {
    cwd: unfinished,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const archive = readdirSync(unfinished).find((file) => file.endsWith('.deb'))!;
  execFileSync('dpkg-deb', ['-x', join(unfinished, archive), unfinished]);
  rmSync(join(unfinished, archive));
  execFileSync('busybox', ['depmod', '-b', unfinished, release]);
  renameSync(unfinished, directory);
}
