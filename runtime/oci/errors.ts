/** What OCI runtimes say when they fail, read for what our own would have said. Pure. */

const ENOENT = 2;
const ENOEXEC = 8;
const EACCES = 13;
const EISDIR = 21;

/**
 * Words of the OCI runtimes about a program that cannot be run, and the errno behind them. They have no other way to tell;
 * what is not among these is reported in their own words.
 */
const WORDS: readonly [RegExp, number][] = [
  [/executable file .*not found in \$?PATH/i, ENOENT],
  [/is a directory/i, EISDIR],
  [/exec format error/i, ENOEXEC],
  [/permission denied/i, EACCES],
  [/no such file or directory/i, ENOENT],
];

/** The last error in a log that was written with `--log-format json`; undefined when there is none. */
export function lastError(log: string): string | undefined {
  for (const line of log.trim().split('\n').reverse()) {
    const entry = parse(line);
    if (entry?.level === 'error' && typeof entry.msg === 'string' && entry.msg !== '') return entry.msg;
  }
  return undefined;
}

/** Why `program` (argv[0] of the container's process) could not be executed: an errno; undefined: it failed otherwise. */
export function cannotRun(message: string, program: string): number | undefined {
  const said = [`"${program}"`, `\`${program}\``].some((quoted) => message.includes(quoted));
  const aboutIt = (said && /exec/i.test(message)) || /^open executable: /.test(message);
  return aboutIt ? WORDS.find(([words]) => words.test(message))?.[1] : undefined;
}

function parse(line: string): { level?: unknown; msg?: unknown } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    // A runtime that was killed while it wrote.
    return undefined;
  }
}
