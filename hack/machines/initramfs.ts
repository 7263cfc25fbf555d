import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Kernel } from './kernel.ts';

/** What it takes to reach the disks and to speak; the kernel loads all else from the root when it is asked for. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console'];

const BUSYBOX = '/bin/busybox';

/** The archive the kernel starts from: busybox, the modules of the disks, and a script of guest/ as init. */
export function makeInitramfs(kernel: Kernel, init: 'init' | 'boot' = 'init'): Buffer {
  const stage = mkdtempSync(join(tmpdir(), 'gantry-initramfs-'));
  try {
    for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev', 'root']) mkdirSync(join(stage, folder));
    copyFileSync(BUSYBOX, join(stage, 'bin/busybox'));
    copyFileSync(join(import.meta.dirname, 'guest', init), join(stage, 'init'));
    chmodSync(join(stage, 'init'), 0o755);
    const modules = inOrder(kernel);
    for (const path of modules) copyFileSync(path, join(stage, 'modules', basename(path)));
    writeFileSync(join(stage, 'modules/order'), `${modules.map((path) => basename(path)).join('\n')}\n`);
    const list = execFileSync('find', ['.'], { cwd: stage });
    return execFileSync(BUSYBOX, ['cpio', '-o', '-H', 'newc'], {
      cwd: stage,
      input: list,
      maxBuffer: 64 << 20,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Paths of the modules, each after those it needs. */
function inOrder(kernel: Kernel): string[] {
  const base = join(kernel.directory, 'lib/modules', kernel.release);
  const needs = new Map<string, string[]>();
  for (const line of readFileSync(join(base, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest] = line.split(':');
    if (path) needs.set(path, rest!.trim().split(' ').filter(Boolean));
  }
  const order = new Set<string>();
  const add = (path: string): void => {
    for (const need of needs.get(path) ?? []) add(need);
    order.add(path);
  };
  for (const name of MODULES) {
    const path = [...needs.keys()].find((candidate) => basename(candidate) === `${name}.ko`);
    if (!path) throw new Error(`kernel ${kernel.release} has no module ${name}`);
    add(path);
  }
  return [...order].map((path) => join(base, path));
}
