/** Set for roles whose standard input is a pipe that their supervisor holds open while it lives. */
export const SUPERVISED = 'GANTRY_SUPERVISED';

/** A role without its supervisor has this long to stop cleanly: the next `gantry up` waits for it. */
const ALONE_MS = 10_000;

/**
 * Aborts when this process is to end: at SIGTERM or SIGINT, or when its supervisor is gone, even by SIGKILL. Below a
 * supervisor SIGINT is left to that one: a terminal sends it to all at once, and the roles stop in an order.
 */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const supervised = process.env[SUPERVISED] !== undefined;
  process.on('SIGTERM', () => stop.abort());
  process.on('SIGINT', () => {
    if (!supervised) stop.abort();
  });
  if (!supervised) return stop.signal;
  const alone = () => {
    stop.abort();
    setTimeout(() => process.exit(1), ALONE_MS).unref();
  };
  process.stdin.once('end', alone).once('error', alone).resume();
  // Only a signal to stop, nothing to stay for.
  process.stdin.unref();
  return stop.signal;
}
