import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatGoDuration, parseGoDuration } from '#machinery/values/duration.ts';
import type { ShutdownTimes } from '#node-agent/pods/roster.ts';

/** How containers end when the machine goes down. Names and meaning are those of the kubelet's flags. */
export interface ShutdownFlags {
  /** Milliseconds. */
  shutdownGracePeriod: number;
  /** Milliseconds. */
  shutdownGracePeriodCriticalPods: number;
}

const ALL_MS = 30_000;
const CRITICAL_MS = 10_000;

export function addShutdownOptions(command: Command): Command {
  const all = new Option(
    '--shutdown-grace-period <duration>',
    'how long pods have in all when the machine goes down; 0s = they are not waited for',
  )
    .argParser(durationOf)
    .default(ALL_MS, '30s');
  const critical = new Option(
    '--shutdown-grace-period-critical-pods <duration>',
    'the part of it that critical pods have, after the others',
  )
    .argParser(durationOf)
    .default(CRITICAL_MS, '10s');
  return command.addOption(all).addOption(critical);
}

/** The flags again as arguments. */
export function shutdownArguments(flags: ShutdownFlags): string[][] {
  return [
    ['--shutdown-grace-period', formatGoDuration(flags.shutdownGracePeriod)],
    ['--shutdown-grace-period-critical-pods', formatGoDuration(flags.shutdownGracePeriodCriticalPods)],
  ];
}

/** Throws when nothing would be left for pods that are not critical. */
export function shutdownTimes(flags: ShutdownFlags): ShutdownTimes {
  const { shutdownGracePeriod: allMs, shutdownGracePeriodCriticalPods: criticalMs } = flags;
  if (allMs > 0 && criticalMs >= allMs)
    throw new Error(
      `--shutdown-grace-period-critical-pods ${formatGoDuration(criticalMs)} must be less than --shutdown-grace-period ${formatGoDuration(allMs)}`,
    );
  return { regularMs: Math.max(0, allMs - criticalMs), criticalMs };
}

function durationOf(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('write it as 30s, 5m or 0s.');
  return ms;
}
