import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import type { Paths } from '../paths.ts';
import { readUpgrade, writeUpgrade } from './record.ts';

/** Tells a supervisor to become the program that upgrade.json names. */
export const HANDOVER_SIGNAL = 'SIGUSR2';

export interface HandoverDeps {
  files: Files;
  log: Logger;
  /** The folder of the program that runs. */
  own: string;
  /** Does not come back, unless it throws. */
  become(program: string): void;
}

/** Once the roles have stopped: this process becomes the program that it is to be. Throws when that is not to be had. */
export async function handOver(paths: Pick<Paths, 'root'>, deps: HandoverDeps): Promise<void> {
  const record = await readUpgrade(deps.files, paths);
  if (!record) throw new Error('it is not said which program this process is to become');
  deps.log.info('Another program goes on from here', { program: record.program });
  deps.become(record.program);
}

/** When this program is on trial and cannot run, the one before it goes on; resolves when there is none. */
export async function fallBack(paths: Pick<Paths, 'root'>, why: string, deps: HandoverDeps): Promise<void> {
  const record = await readUpgrade(deps.files, paths);
  if (record?.state !== 'trial' || record.program !== deps.own || record.before === deps.own) return;
  if (!existsSync(join(record.before, 'bin/gantry'))) return;
  const { program, before } = record;
  deps.log.error('This program cannot run here: the one before goes on', { why, program: before });
  await writeUpgrade(deps.files, paths, { program: before, before: program, state: 'failed', why });
  deps.become(before);
}

/** Replaces this process, with the same arguments and pid: who watches over it notices nothing. Source: execve(2). */
export function becomeProgram(program: string, own: string): void {
  const path = join(program, 'bin/gantry');
  if (!process.execve) throw new Error('this Node cannot become another program: 24 or newer can');
  process.execve(path, [path, ...process.argv.slice(2)], withoutOwnLibraries(process.env, own));
}

/** bin/gantry puts the folder of its libraries first: those of a program that is gone must not be found there. */
export function withoutOwnLibraries(env: NodeJS.ProcessEnv, own: string): NodeJS.ProcessEnv {
  const { LD_LIBRARY_PATH: libraries, ...rest } = env;
  const others = (libraries ?? '').split(':').filter((path) => path !== '' && path !== join(own, 'dist/lib'));
  return others.length === 0 ? rest : { ...rest, LD_LIBRARY_PATH: others.join(':') };
}
