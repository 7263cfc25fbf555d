import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Answers, CANDIDATES, type Handler, handlersOf } from '../oci/handler.ts';

/** Runs the programs of OCI runtimes that make no process of a container: what makes one is run by the monitor. */

/** How long a program may take to say what it is. */
const ANSWER_MS = 10_000;
const OUTPUT_BYTES = 1 << 20;

export interface Outcome {
  /** 0 = it did; undefined = killed, not found, or it took too long. */
  code: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, at most for `timeoutMs`, then kills it. Never rejects. */
export function runProgram([program, ...args]: string[], timeoutMs: number): Promise<Outcome> {
  const options = {
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES,
    env: {},
    cwd: '/',
  } as const;
  return new Promise((resolve) => {
    execFile(program!, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : undefined) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}

/** The OCI runtimes found in the directories of `path` (as PATH lists them), and what they can do. */
export async function findHandlers(path: string): Promise<Handler[]> {
  const names = new Set(CANDIDATES.flatMap(({ programs }) => programs));
  const asked = [...names].map(async (name) => [name, await ask(name, path)] as const);
  const answers = new Map<string, Answers>();
  for (const [name, answer] of await Promise.all(asked)) if (answer) answers.set(name, answer);
  return handlersOf(answers);
}

async function ask(name: string, path: string): Promise<Answers | undefined> {
  for (const directory of path.split(':').filter(isAbsolute)) {
    const program = join(directory, name);
    const there = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!there) continue;
    const said = async (argument: string) => {
      const { code, stdout } = await runProgram([program, argument], ANSWER_MS);
      return code === 0 ? stdout : undefined;
    };
    const [version, features] = await Promise.all([said('--version'), said('features')]);
    return { program, version, features };
  }
  return undefined;
}
