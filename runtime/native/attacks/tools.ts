import { execFileSync } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capabilityMask } from '../capabilities.ts';

/** Programs of attackers, for tests. */

/** Builds attacker.c into `directory` and returns its path; static, to run in any root. */
export function buildAttacker(directory: string): string {
  const program = join(directory, 'attacker');
  const source = join(import.meta.dirname, 'attacker.c');
  execFileSync('gcc', ['-std=c17', '-O1', '-Wall', '-Werror', '-static', '-o', program, source]);
  return program;
}

/** Puts a busybox at `path` that holds `capabilities` as inheritable ones. */
export async function fileCapabilities(
  scratch: string,
  path: string,
  capabilities: readonly string[],
): Promise<void> {
  const attacker = buildAttacker(scratch);
  await copyFile('/usr/bin/busybox', path);
  for (const name of capabilities) {
    const bit = capabilityMask([name]).toString(2).length - 1;
    execFileSync(attacker, ['grant', path, String(bit)]);
  }
}
