/**
 * Schedules as cron writes them: five fields (minute, hour, day of month, month, day of week) or a word (`@daily`,
 * `@every 1h`). Wording of faults follows robfig/cron, which Kubernetes uses.
 * Source: crontab(5); Kubernetes documentation, "CronJob schedule syntax".
 */
import { parseGoDuration } from './duration.ts';

interface Bounds {
  min: number;
  max: number;
  names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const FIELDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['', ...MONTHS] },
  { min: 0, max: 6, names: DAYS },
];

const WORDS: readonly string[] = [
  '@yearly',
  '@annually',
  '@monthly',
  '@weekly',
  '@daily',
  '@midnight',
  '@hourly',
];

class CronFault extends Error {}

/** What is wrong with a schedule; undefined when nothing is. */
export function cronFault(schedule: string): string | undefined {
  try {
    checkSchedule(schedule);
    return undefined;
  } catch (error) {
    if (error instanceof CronFault) return error.message;
    throw error;
  }
}

function checkSchedule(schedule: string): void {
  if (schedule === '') throw new CronFault('empty spec string');
  if (schedule.startsWith('@')) checkWord(schedule);
  else checkFields(schedule);
}

function checkFields(schedule: string): void {
  const parts = schedule.split(/\s+/).filter(Boolean);
  if (parts.length !== FIELDS.length)
    throw new CronFault(
      `expected exactly ${FIELDS.length} fields, found ${parts.length}: [${parts.join(' ')}]`,
    );
  for (const [index, part] of parts.entries())
    for (const range of part.split(',').filter(Boolean)) checkRange(range, FIELDS[index]!);
}

function checkWord(schedule: string): void {
  if (WORDS.includes(schedule)) return;
  const every = '@every ';
  if (!schedule.startsWith(every)) throw new CronFault(`unrecognized descriptor: ${schedule}`);
  if (parseGoDuration(schedule.slice(every.length)) === undefined)
    throw new CronFault(`failed to parse duration ${schedule}: not a duration`);
}

/** `5`, `1-5`, `*`, `?`, with `/step` behind. */
function checkRange(text: string, bounds: Bounds): void {
  const [range = '', step, ...more] = text.split('/');
  if (more.length > 0) throw new CronFault(`too many slashes: ${text}`);
  const [low = '', high, ...rest] = range.split('-');
  if (rest.length > 0) throw new CronFault(`too many hyphens: ${text}`);
  const isAll = low === '*' || low === '?';
  const from = isAll ? bounds.min : numberOf(low, bounds);
  const to = isAll || (high === undefined && step !== undefined) ? bounds.max : numberOf(high ?? low, bounds);
  if (step !== undefined && numberOf(step, { min: 0, max: 0 }) === 0)
    throw new CronFault(`step of range should be a positive number: ${text}`);
  if (from < bounds.min)
    throw new CronFault(`beginning of range (${from}) below minimum (${bounds.min}): ${text}`);
  if (to > bounds.max) throw new CronFault(`end of range (${to}) above maximum (${bounds.max}): ${text}`);
  if (from > to) throw new CronFault(`beginning of range (${from}) beyond end of range (${to}): ${text}`);
}

function numberOf(text: string, { names }: Bounds): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  if (text && named >= 0) return named;
  if (!/^[0-9]{1,9}$/.test(text)) throw new CronFault(`failed to parse int from ${text}: invalid syntax`);
  return Number(text);
}
