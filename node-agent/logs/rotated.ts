import { basename, dirname, join } from 'node:path';
import { rfc3339 } from '#machinery/clock.ts';

/**
 * What the old parts of a log are called: `0.log.20260101-000000`, by the second (UTC) in which they were put away, beside
 * `0.log`, which is written. Source: kubelet, container log rotation; log collectors know it.
 */
const ROTATED = /^\.\d{8}-\d{6}$/;

export function rotatedPath(path: string, nowMs: number): string {
  const [date = '', time = ''] = rfc3339(nowMs).split('T');
  return `${path}.${date.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`;
}

/** The old parts of a log out of the names in its directory, oldest first, as paths. */
export function rotatedPaths(path: string, names: readonly string[]): string[] {
  const name = basename(path);
  return names
    .filter((one) => one.startsWith(name) && ROTATED.test(one.slice(name.length)))
    .sort()
    .map((one) => join(dirname(path), one));
}
