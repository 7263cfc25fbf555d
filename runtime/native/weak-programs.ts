import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** For tests of attacks: programs of which single defences are switched off (runtime/helper/defence.h). */

const ROOT = join(import.meta.dirname, '../..');
const BUILT = join(ROOT, 'dist/bin-weak');

export interface Weakness {
  /** Names of defences, as defended() in the sources has them. */
  off: readonly string[];
  /** The race_point() at which whoever comes by makes `$base/pause/reached` and waits for `$base/pause/go`. */
  pause?: string;
  /** Shell commands of whoever starts the programs, with `$base` the directory that holds theirs. */
  before?: string;
}

let built = false;
function build(): void {
  const make = ['make', '-s', '-C', join(ROOT, 'runtime/helper'), 'WEAKEN=1'];
  // As the other programs are built: one at a time, whatever test wants them.
  if (!built) execFileSync('flock', [join(ROOT, 'runtime/helper/Makefile'), ...make], { stdio: 'inherit' });
  built = true;
}

/**
 * Makes `directory`, `$base/bin`, a directory of programs with those weaknesses, for a NativeRuntime or a NativeUnpacker.
 */
export async function makeWeakPrograms(directory: string, weakness: Weakness): Promise<void> {
  build();
  await mkdir(directory, { recursive: true });
  await mkdir(join(directory, '../pause'), { recursive: true });
  await copyFile(join(BUILT, 'monitor'), join(directory, 'monitor'));
  const { off, pause, before = '' } = weakness;
  const settings = [`WEAKEN='${off.join(',')}'`, pause ? `WEAKEN_PAUSE='${pause}':$base/pause` : ''];
  for (const program of ['helper', 'unpack']) {
    const script = `#!/bin/sh\nbase=\${0%/*/*}\n${before}\n${settings.join(' ')} exec ${BUILT}/${program} "$@"\n`;
    await writeFile(join(directory, program), script, { mode: 0o755 });
  }
}
