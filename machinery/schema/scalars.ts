/** The leaves of API objects: what JSON they accept, and the text they are stored as. */
import { formatGoDuration, parseGoDuration } from '../values/duration.ts';
import { canonicalQuantity, QuantityError } from '../values/quantity.ts';
import type { Scalar } from './model.ts';

/** A leaf of the wrong type or form; `message` as Go words it, without the field. */
export interface ScalarFault {
  /** `json: cannot unmarshal string into`, or undefined when the message stands alone. */
  found?: string;
  goType?: string;
  message?: string;
}

/** The Go type that messages name for each leaf. */
export const GO_SCALARS: Record<Scalar, string> = {
  string: 'string',
  bool: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  object: 'runtime.RawExtension',
  json: 'v1.JSON',
  fields: 'v1.FieldsV1',
};

/** What a null in a list or map stands for. */
export const ZEROS: Record<Scalar, unknown> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  double: 0,
  bytes: '',
  time: null,
  microTime: null,
  duration: '0s',
  quantity: '0',
  intOrString: 0,
  object: null,
  json: null,
  fields: null,
};

/** How Go's decoder calls a JSON value. */
export function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'object') return value === null ? 'null' : 'object';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** The value as it is stored, or a fault. Never called with null. */
export function checkScalar(scalar: Scalar, value: unknown): { value: unknown } | ScalarFault {
  return CHECKS[scalar](value);
}

type Check = (value: unknown) => { value: unknown } | ScalarFault;

const wrongType = (value: unknown, scalar: Scalar): ScalarFault => ({
  found: jsonTypeOf(value),
  goType: GO_SCALARS[scalar],
});

function integer(scalar: 'int32' | 'int64', low: number, high: number): Check {
  return (value) => {
    if (typeof value !== 'number') return wrongType(value, scalar);
    // The ends of int64 are written with more than 64 bits by JavaScript: the numbers next to them stand for them.
    if (Number.isInteger(value) && value >= low && value <= high)
      return { value: Math.max(-MOST_WRITTEN, Math.min(MOST_WRITTEN, value)) };
    return { found: `number ${value}`, goType: scalar };
  };
}

const MOST_WRITTEN = 2 ** 63 - 1024;

/** JSON can write numbers that are too large to be one, and cannot write infinity back. */
function checkDouble(value: unknown): { value: unknown } | ScalarFault {
  if (typeof value !== 'number') return wrongType(value, 'double');
  return Number.isFinite(value) ? { value } : { found: `number ${value}`, goType: GO_SCALARS.double };
}

/** As Go's time.Duration: whole nanoseconds in 64 bits. */
const MAX_DURATION_MS = 2 ** 63 / 1e6;

function checkDuration(value: unknown): { value: unknown } | ScalarFault {
  if (typeof value !== 'string') return wrongType(value, 'duration');
  const ms = value.length > MAX_DURATION_LENGTH ? undefined : parseGoDuration(value);
  if (ms === undefined || Math.abs(ms) >= MAX_DURATION_MS)
    return { message: `time: invalid duration ${JSON.stringify(value)}` };
  return { value: formatGoDuration(ms) };
}

const MAX_DURATION_LENGTH = 256;

const is =
  (scalar: Scalar, type: 'string' | 'boolean'): Check =>
  (value) =>
    typeof value === type ? { value } : wrongType(value, scalar);

const CHECKS: Record<Scalar, Check> = {
  string: is('string', 'string'),
  bool: is('bool', 'boolean'),
  double: checkDouble,
  duration: checkDuration,
  int32: integer('int32', -(2 ** 31), 2 ** 31 - 1),
  int64: integer('int64', -(2 ** 63), 2 ** 63),
  bytes: checkBytes,
  time: (value) => checkTime(value, 'time'),
  microTime: (value) => checkTime(value, 'microTime'),
  quantity: checkQuantity,
  intOrString(value) {
    if (typeof value === 'string') return { value };
    if (typeof value === 'number') return CHECKS.int32(value);
    return { found: jsonTypeOf(value), goType: 'int32' };
  },
  object: (value) =>
    typeof value === 'object' && !Array.isArray(value) ? { value } : wrongType(value, 'object'),
  json: (value) => ({ value }),
  fields: (value) =>
    typeof value === 'object' && !Array.isArray(value) ? { value } : wrongType(value, 'fields'),
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function checkBytes(value: unknown): { value: unknown } | ScalarFault {
  if (typeof value !== 'string') return wrongType(value, 'bytes');
  if (BASE64.test(value)) return { value };
  const joined = value.replace(/[\r\n]/g, '');
  if (BASE64.test(joined)) return { value: joined };
  const good = /^[A-Za-z0-9+/]*/.exec(value)![0].length;
  return { message: `illegal base64 data at input byte ${good}` };
}

const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const RFC3339 = /^\d{4}-(\d\d)-(\d\d)T(\d\d):\d\d:\d\d(\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const LAYOUTS = { time: '2006-01-02T15:04:05Z07:00', microTime: '2006-01-02T15:04:05.000000Z07:00' };

function checkTime(value: unknown, scalar: 'time' | 'microTime'): { value: unknown } | ScalarFault {
  if (typeof value !== 'string') return wrongType(value, scalar);
  const match = RFC3339.exec(value);
  const ms = match ? Date.parse(value) : Number.NaN;
  if (!match || Number.isNaN(ms))
    return {
      message: `parsing time ${JSON.stringify(value)} as "${LAYOUTS[scalar]}": cannot parse ${JSON.stringify(value)} as "2006"`,
    };
  const fault = rangeFault(match, ms);
  if (fault) return { message: `parsing time ${JSON.stringify(value)}: ${fault}` };
  if (scalar === 'time')
    return { value: SECONDS.test(value) ? value : `${new Date(ms).toISOString().slice(0, 19)}Z` };
  const fraction = (match[4] ?? '.').slice(1).padEnd(6, '0').slice(0, 6);
  return { value: `${new Date(ms).toISOString().slice(0, 19)}.${fraction}Z` };
}

/** The years that RFC 3339 can write, in ms. */
const FIRST_YEAR_MS = Date.parse('0000-01-01T00:00:00Z');
const LAST_YEAR_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** What JavaScript takes and Go does not: February 30, 24 o'clock, years that only an offset reaches. */
function rangeFault([text, month, day, hour]: RegExpExecArray, ms: number): string | undefined {
  const days = new Date(Date.UTC(2000 + (Number(text.slice(0, 4)) % 400), Number(month), 0)).getUTCDate();
  if (Number(day) > days) return 'day out of range';
  if (hour === '24') return 'hour out of range';
  return ms < FIRST_YEAR_MS || ms > LAST_YEAR_MS ? 'year outside of range [0,9999]' : undefined;
}

/** Few different quantities occur in a cluster: their canonical texts are remembered, up to a bound. */
const MAX_REMEMBERED = 4096;
const canonical = new Map<string, string>();

function checkQuantity(value: unknown): { value: unknown } | ScalarFault {
  if (typeof value !== 'string' && typeof value !== 'number') return wrongType(value, 'quantity');
  const text = String(value).trim();
  const known = canonical.get(text);
  if (known !== undefined) return { value: known };
  try {
    const result = canonicalQuantity(text);
    if (canonical.size >= MAX_REMEMBERED) canonical.clear();
    canonical.set(text, result);
    return { value: result };
  } catch (error) {
    if (error instanceof QuantityError) return { message: error.message };
    throw error;
  }
}
