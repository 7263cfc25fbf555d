import { execFile } from 'node:child_process';
import type { Clock } from '#machinery/clock.ts';
import { every } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';

/** It ends when systemd has taken the message in: one that is killed before has told nothing. */
const TELL_MS = 15_000;

/**
 * What systemd is told of a service of `Type=notify`, through systemd-notify: Node has no datagrams on unix sockets. Nothing where no
 * systemd asks. Source: sd_notify(3).
 */
export function notify(log: Logger, ...states: string[]): void {
  if (!process.env['NOTIFY_SOCKET']) return;
  execFile('systemd-notify', states, { timeout: TELL_MS }, (error) => {
    if (error) log.warn('systemd could not be told', { states: states.join(' '), error: error.message });
  });
}

/** Tells systemd again and again that this process goes on, as often as it wants to hear it, until the signal aborts. */
export function keepWatched(clock: Clock, log: Logger, signal: AbortSignal): void {
  const ms = Number(process.env['WATCHDOG_USEC'] ?? '') / 1000;
  if (ms > 0) every(clock, ms / 3, signal, async () => notify(log, 'WATCHDOG=1'), true);
}
