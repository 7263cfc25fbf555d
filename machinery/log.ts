import type { Clock } from './clock.ts';

/**
 * Logging as a value that is passed in. A message is a constant sentence; what varies goes into `fields`, so that logs
 * can be searched by field.
 */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Record<string, unknown>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line: the name of a part, a request id. */
  child(fields: LogFields): Logger;
}

/** Says nothing: the default of parts under test. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

/** One line of a memory logger. */
export interface LogLine {
  level: LogLevel;
  message: string;
  fields: LogFields;
}

/** Keeps the lines in `lines`, for tests that assert what was said. */
export function memoryLogger(lines: LogLine[], bound: LogFields = {}): Logger {
  const say =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields: { ...bound, ...fields } });
    };
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (fields) => memoryLogger(lines, { ...bound, ...fields }),
  };
}

/**
 * One line of text per message: time, level, message, then `key=value` of the fields. Light enough for short commands
 * and for the agent; `write` is handed whole lines.
 */
export function textLogger(
  write: (line: string) => void,
  level: LogLevel,
  clock: Clock,
  bound: LogFields = {},
): Logger {
  const least = LOG_LEVELS.indexOf(level);
  const say =
    (of: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (LOG_LEVELS.indexOf(of) < least) return;
      const words = Object.entries({ ...bound, ...fields }).map(([key, value]) => `${key}=${word(value)}`);
      const time = new Date(clock.now()).toISOString();
      write(`${[time, of.toUpperCase().padEnd(5), message, ...words].join(' ')}\n`);
    };
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (fields) => textLogger(write, level, clock, { ...bound, ...fields }),
  };
}

/** JSON lines on standard error by pino, which is loaded only when it is asked for (its import costs tens of ms). */
export async function pinoLogger(level: LogLevel, bound: LogFields = {}): Promise<Logger> {
  const { pino } = await import('pino');
  const root = pino({ level, base: bound }, pino.destination(2));
  return fromPino(root);
}

interface PinoLike {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): PinoLike;
}

function fromPino(target: PinoLike): Logger {
  return {
    debug: (message, fields = {}) => target.debug(plain(fields), message),
    info: (message, fields = {}) => target.info(plain(fields), message),
    warn: (message, fields = {}) => target.warn(plain(fields), message),
    error: (message, fields = {}) => target.error(plain(fields), message),
    child: (fields) => fromPino(target.child(plain(fields))),
  };
}

/** Errors as their message and stack: JSON would print `{}`. */
function plain(fields: LogFields): LogFields {
  const entries = Object.entries(fields).map(([key, value]) => [
    key,
    value instanceof Error ? { message: value.message, stack: value.stack } : value,
  ]);
  return Object.fromEntries(entries);
}

function word(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  // Quoted when it would not read as one word, so that a value can never forge a second field or line.
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}
