import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Compiles a C program of this folder into `directory`, static, and gives back its path. */
export async function compileProgram(name: string, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, name);
  const source = join(import.meta.dirname, `${name}.c`);
  execFileSync('gcc', [
    '-std=c17',
    '-D_GNU_SOURCE',
    '-O1',
    '-static',
    '-Wall',
    '-Werror',
    '-o',
    path,
    source,
  ]);
  return path;
}
