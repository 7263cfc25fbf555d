import { constants } from 'node:os';

/** Symbolic names of errno numbers as this system has them: 17 = EEXIST. */
const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/**
 * The kernel refused a message. `errno` is its symbolic name (EEXIST, ENOENT, EPERM, ...): compare that, never the
 * message. `index` counts the messages of the request from 0.
 */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly errno: string;
  readonly index: number;
  constructor(errno: string, what: string, index: number, detail: string) {
    super(`${what}: ${errno}${detail ? ` (${detail})` : ''}`);
    this.errno = errno;
    this.index = index;
  }
}

/** EEXIST for 17 or -17; the number itself when the system has no name for it. */
export function errnoName(number: number): string {
  return ERRNO_NAMES.get(Math.abs(number)) ?? `errno ${Math.abs(number)}`;
}

/** Whether `error` is a refusal by the kernel with one of these errno names. */
export function isErrno(error: unknown, ...names: string[]): error is NetlinkError {
  return error instanceof NetlinkError && names.includes(error.errno);
}
