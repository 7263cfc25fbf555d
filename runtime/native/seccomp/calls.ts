import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Programs that make system calls of other ABIs than x86_64, for tests. */

const COMMON = ['-std=c17', '-O1', '-Wall', '-Werror', '-static'];
/** There is no 32-bit libc. */
const BARE = ['-m32', '-DBARE', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-no-pie', '-fno-pie'];

/** Builds calls.c into `directory` as the 64-bit program `calls64` and the 32-bit program `calls32`. */
export function buildCalls(directory: string): void {
  const source = join(import.meta.dirname, 'calls.c');
  execFileSync('gcc', [...COMMON, '-o', join(directory, 'calls64'), source]);
  execFileSync('gcc', [...COMMON, ...BARE, '-o', join(directory, 'calls32'), source]);
}

/** Whether the kernel runs 32-bit programs (CONFIG_IA32_EMULATION), once they are built. */
export function runs32Bit(directory: string): boolean {
  const GETPID = '20';
  return spawnSync(join(directory, 'calls32'), ['32', GETPID]).status === 0;
}
