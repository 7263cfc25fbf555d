import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { RuntimeError } from '../contract.ts';
import type { HelperClient } from './helper-client.ts';
import { Refusal } from './peer.ts';

/**
 * Puts the programs that are installed in the place of those that run. What runs is told by the hash of its program, read
 * through /proc: nothing has to be counted up, and a rebuilt program counts as another one.
 */

/** What an upgrade did. */
export interface UpgradeReport {
  /** The helper was replaced. */
  helper: boolean;
  /** Sandboxes whose monitor goes on as the new program. */
  monitors: string[];
  /** Sandboxes whose monitor runs on as it was, and why. */
  kept: { sandbox: string; reason: string }[];
}

/** A monitor as the upgrade needs it. */
export interface Upgradable {
  id: string;
  pid: number;
  /** Has the monitor become the program at `path`; rejects with what it answers otherwise. */
  become(path: string): Promise<void>;
}

const EBUSY = 16;
/** A container or exec is about to start: it takes some milliseconds. */
const BUSY_ATTEMPTS = 40;
const BUSY_PAUSE_MS = 25;
/** Monitors upgraded at once: each one forks a check. */
const WIDTH = 8;

/** Ends a helper that is not the installed one, or has not the installed monitor, and starts that; says whether it did. */
export async function upgradeHelper(helper: HelperClient, binDirectory: string): Promise<boolean> {
  const { pid, program } = await helper.hello();
  const same =
    program !== undefined &&
    (await sameProgram(`/proc/${pid}/exe`, join(binDirectory, 'helper'))) &&
    (await sameProgram(programOf(pid, program), join(binDirectory, 'monitor')));
  if (!same) await helper.replace();
  return !same;
}

/** Has every monitor become the program that the helper starts, without a container noticing. */
export async function upgradeMonitors(
  helper: HelperClient,
  monitors: readonly Upgradable[],
  clock: Clock,
): Promise<Omit<UpgradeReport, 'helper'>> {
  const report: Omit<UpgradeReport, 'helper'> = { monitors: [], kept: [] };
  if (monitors.length === 0) return report;
  const { pid, program } = await helper.hello();
  if (program === undefined)
    throw new RuntimeError('Unavailable', 'the helper does not say which monitor it has');
  const path = programOf(pid, program);
  const queue = [...monitors];
  const lane = async () => {
    for (let monitor = queue.pop(); monitor; monitor = queue.pop()) {
      try {
        if (await sameProgram(`/proc/${monitor.pid}/exe`, path)) continue;
        await become(monitor, path, clock);
        report.monitors.push(monitor.id);
      } catch (error) {
        report.kept.push({ sandbox: monitor.id, reason: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
  return report;
}

async function become(monitor: Upgradable, path: string, clock: Clock): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await monitor.become(path);
    } catch (error) {
      if (!(error instanceof Refusal && error.errno === EBUSY) || attempt === BUSY_ATTEMPTS) throw error;
      await sleep(clock, BUSY_PAUSE_MS);
    }
  }
}

/** The helper's own memory file: shared by all monitors, and sealed. */
function programOf(helperPid: number, descriptor: number): string {
  return `/proc/${helperPid}/fd/${descriptor}`;
}

async function sameProgram(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([stat(a), stat(b)]);
  if (first.dev === second.dev && first.ino === second.ino) return true;
  return first.size === second.size && (await hashOf(a)) === (await hashOf(b));
}

async function hashOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
