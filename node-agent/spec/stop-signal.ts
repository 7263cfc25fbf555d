import { constants } from 'node:os';

/** Source: signal(7), real-time signals as the C library counts them. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * The signal an image asks to be stopped with, as a number; undefined when it names none or one that does not exist, which
 * means SIGTERM. Source: OCI image-spec, config.StopSignal: `SIGNAME`, `SIGRTMIN+3`, or a number.
 */
export function stopSignalOf(text: string): number | undefined {
  const name = text.trim().toUpperCase();
  if (/^[0-9]+$/.test(name)) return inRange(Number(name));
  const realTime = /^(?:SIG)?RT(MIN|MAX)(?:([+-])([0-9]+))?$/.exec(name);
  if (realTime) {
    const base = realTime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX;
    return inRange(base + (realTime[2] === '-' ? -1 : 1) * Number(realTime[3] ?? 0));
  }
  const known: Record<string, number> = constants.signals;
  return known[name.startsWith('SIG') ? name : `SIG${name}`];
}

function inRange(signal: number): number | undefined {
  return signal >= 1 && signal <= SIGRTMAX ? signal : undefined;
}
