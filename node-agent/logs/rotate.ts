import { dirname } from 'node:path';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import type { Runtime } from '#runtime/contract.ts';
import { type AgentPaths, logPath } from '../paths.ts';
import type { PodRoster } from '../pods/roster.ts';
import { rotatedPath, rotatedPaths } from './rotated.ts';

/**
 * Keeps the logs of what runs here from growing for ever. Source: kubelet, containerLogMaxSize and containerLogMaxFiles
 * with their default values, and how often it looks.
 */
export const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
/** With the one that is written. */
const LOG_FILES = 5;
const LOOK_MS = 10_000;

/** A log as it is on the disk. */
export interface LogState {
  path: string;
  /** Undefined: it was put away, and nobody told its writer. */
  sizeBytes: number | undefined;
  /** Its old parts, oldest first. */
  rotated: readonly string[];
}

export type RotationStep =
  | { op: 'remove'; path: string }
  | { op: 'rename'; from: string; to: string }
  | { op: 'reopen' };

/** What is to be done about a log now, in order: pure. */
export function planRotation({ path, sizeBytes, rotated }: LogState, nowMs: number): RotationStep[] {
  if (sizeBytes === undefined) return [{ op: 'reopen' }];
  const to = rotatedPath(path, nowMs);
  // Two within a second: the second one waits for the next look.
  if (sizeBytes < LOG_LIMIT_BYTES || rotated.includes(to)) return [];
  // The file that is put away now and the one that is written take two of the places.
  const excess = rotated.slice(0, Math.max(0, rotated.length - (LOG_FILES - 2)));
  return [
    ...excess.map((old): RotationStep => ({ op: 'remove', path: old })),
    { op: 'rename', from: path, to },
    { op: 'reopen' },
  ];
}

export interface RotationOptions {
  roster: Pick<PodRoster, 'list'>;
  runtime: Pick<Runtime, 'reopenLog'>;
  files: Files;
  paths: AgentPaths;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Looks at the logs of all running containers until the signal aborts. */
export async function keepLogsSmall(options: RotationOptions): Promise<void> {
  const { clock, log, signal } = options;
  for (;;) {
    await sleep(clock, LOOK_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    for (const target of runningLogs(options)) {
      try {
        await rotate(target, options);
      } catch (error) {
        // Among others, containers that have ended meanwhile; their logs grow no more.
        log.info('A log could not be rotated and is looked at again', {
          path: target.path,
          error: messageOf(error),
        });
      }
    }
  }
}

interface Target {
  sandbox: string;
  container: string;
  path: string;
}

function runningLogs({ roster, paths }: RotationOptions): Target[] {
  return roster.list().flatMap((worker) => {
    const { sandbox, containers } = worker.observed();
    if (sandbox !== 'ready') return [];
    return [...containers].flatMap(([name, { run }]) =>
      run && !run.exit
        ? [
            {
              sandbox: worker.uid,
              container: run.id,
              path: logPath(paths, worker.pod(), name, run.attempt),
            },
          ]
        : [],
    );
  });
}

async function rotate(
  { sandbox, container, path }: Target,
  { runtime, files, clock }: RotationOptions,
): Promise<void> {
  const sizeBytes = (await files.stat(path))?.sizeBytes;
  // Most logs are small: no look at their directories.
  if (sizeBytes !== undefined && sizeBytes < LOG_LIMIT_BYTES) return;
  const rotated = rotatedPaths(path, await files.list(dirname(path)));
  const steps = planRotation({ path, sizeBytes, rotated }, clock.now());
  for (const step of steps) {
    if (step.op === 'remove') await files.remove(step.path);
    else if (step.op === 'rename') await files.rename(step.from, step.to);
    else await reopen(steps, () => runtime.reopenLog(sandbox, container), path, files);
  }
}

/** When its writer cannot be told, the log goes back to where it was, unless a new one is there already. */
async function reopen(
  steps: readonly RotationStep[],
  tell: () => Promise<void>,
  path: string,
  files: Files,
): Promise<void> {
  try {
    await tell();
  } catch (error) {
    const moved = steps.find((step) => step.op === 'rename');
    if (moved && !(await files.stat(path))) await files.rename(moved.to, path);
    throw error;
  }
}

/** Removes a log with its old parts. */
export async function removeLog(
  files: { list(path: string): Promise<string[]>; remove(path: string): Promise<void> },
  path: string,
): Promise<void> {
  const old = rotatedPaths(path, await files.list(dirname(path)));
  for (const one of [...old, path]) await files.remove(one);
}
