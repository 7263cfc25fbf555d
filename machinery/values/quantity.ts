/**
 * Quantities of resources: `500m`, `1.5Gi`, `2e3`. Held as a whole number of nanos, the finest step Kubernetes keeps, so
 * that no arithmetic rounds. Source: Kubernetes API, resource.Quantity.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** The value times 10^9. */
  nano: bigint;
  /** How it was written, which decides how it is written back. */
  format: QuantityFormat;
}

/** Text that is no quantity. The message is the one Kubernetes gives. */
export class QuantityError extends Error {
  override readonly name = 'QuantityError';
}

const SHAPE = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/;
const WRONG_FORMAT = `quantities must match the regular expression '${SHAPE.source}'`;
const WRONG_NUMBER = 'unable to parse numeric part of quantity';
const WRONG_SUFFIX = "unable to parse quantity's suffix";

/** Powers of ten of the decimal suffixes. */
const DECIMAL: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const DECIMAL_NAMES: ReadonlyMap<number, string> = new Map(
  [...DECIMAL].map(([name, power]) => [power, name]),
);
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const NANO = 1_000_000_000n;

/** Larger exponents and longer numbers have no use and would make numbers of unbounded size. */
const MAX_EXPONENT = 100;
const MAX_LENGTH = 128;

/** Parses a quantity; a JSON number is taken as its text. Throws QuantityError. */
export function parseQuantity(input: string | number): Quantity {
  const text = String(input);
  const shape = text.length <= MAX_LENGTH ? SHAPE.exec(text) : null;
  if (!shape) throw new QuantityError(WRONG_FORMAT);
  const number = /^([+-]?)([0-9]*)\.?([0-9]*)$/.exec(shape[1]!);
  if (!number || (number[2] === '' && number[3] === '')) throw new QuantityError(WRONG_NUMBER);
  const { multiplier, power, format } = suffixOf(shape[2]!);
  const fraction = number[3]!;
  const digits = BigInt(number[2]! + fraction) * multiplier;
  const nano = scaleUp(digits, 9 + power - fraction.length);
  return {
    nano: number[1] === '-' ? -nano : nano,
    // Kubernetes writes a fraction of one binary unit in decimal, to spare it from rounding.
    format: format === 'BinarySI' && nano < NANO ? 'DecimalSI' : format,
  };
}

function suffixOf(suffix: string): { multiplier: bigint; power: number; format: QuantityFormat } {
  const power = DECIMAL.get(suffix);
  if (power !== undefined) return { multiplier: 1n, power, format: 'DecimalSI' };
  const binary = BINARY.indexOf(suffix);
  if (binary > 0) return { multiplier: 1024n ** BigInt(binary), power: 0, format: 'BinarySI' };
  const exponent = /^[eE]([+-]?[0-9]{1,4})$/.exec(suffix);
  if (!exponent || Math.abs(Number(exponent[1])) > MAX_EXPONENT) throw new QuantityError(WRONG_SUFFIX);
  return { multiplier: 1n, power: Number(exponent[1]), format: 'DecimalExponent' };
}

/** digits × 10^power; what is finer than one is rounded away from zero. */
function scaleUp(digits: bigint, power: number): bigint {
  return power >= 0 ? digits * 10n ** BigInt(power) : ceilDivide(digits, 10n ** BigInt(-power));
}

function ceilDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const rest = value % divisor;
  if (rest === 0n) return quotient;
  return rest > 0n ? quotient + 1n : quotient - 1n;
}

/** The canonical text: the largest suffix that leaves a whole number. */
function formatQuantity(quantity: Quantity): string {
  const { nano } = quantity;
  if (nano === 0n) return '0';
  const whole = nano % NANO === 0n;
  const small = nano > -1024n * NANO && nano < 1024n * NANO;
  if (quantity.format === 'BinarySI' && whole && !small) return formatBinary(nano / NANO);
  let value = nano;
  let power = -9;
  const most = quantity.format === 'DecimalExponent' ? Number.POSITIVE_INFINITY : 18;
  while (power < most && value % 1000n === 0n) {
    value /= 1000n;
    power += 3;
  }
  if (quantity.format === 'DecimalExponent') return power === 0 ? `${value}` : `${value}e${power}`;
  return `${value}${DECIMAL_NAMES.get(power)}`;
}

function formatBinary(whole: bigint): string {
  let value = whole;
  let power = 0;
  while (power < BINARY.length - 1 && value % 1024n === 0n) {
    value /= 1024n;
    power++;
  }
  return `${value}${BINARY[power]}`;
}

/** `0.5` → `500m`, `1024Mi` → `1Gi`: the text the server stores. Throws QuantityError. */
export function canonicalQuantity(text: string | number): string {
  return formatQuantity(parseQuantity(text));
}

/** Whether the text is a quantity. */
export function isQuantity(text: string | number): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}

/** Below zero, zero or above, as a sort wants it. Throws QuantityError. */
export function compareQuantities(a: string | number, b: string | number): number {
  const difference = parseQuantity(a).nano - parseQuantity(b).nano;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The canonical sum, written as the first that is not zero. No terms: `0`. Throws QuantityError. */
export function addQuantities(...terms: (string | number)[]): string {
  let sum: Quantity = { nano: 0n, format: 'DecimalSI' };
  for (const term of terms) {
    const { nano, format } = parseQuantity(term);
    sum = { nano: sum.nano + nano, format: sum.nano === 0n ? format : sum.format };
  }
  return formatQuantity(sum);
}

/** a - b, canonical, written as `a` (as `b` when `a` is zero). Throws QuantityError. */
export function subtractQuantities(a: string | number, b: string | number): string {
  const from = parseQuantity(a);
  const take = parseQuantity(b);
  return formatQuantity({
    nano: from.nano - take.nano,
    format: from.nano === 0n ? take.format : from.format,
  });
}

/** In whole units, rounded away from zero (Quantity.Value): bytes of `1Ki`, cores of `1500m` (2). Throws QuantityError. */
export function quantityValue(text: string | number): number {
  return Number(ceilDivide(parseQuantity(text).nano, NANO));
}

/** In thousandths, rounded away from zero (Quantity.MilliValue): 500 of `0.5`. Throws QuantityError. */
export function quantityMilli(text: string | number): number {
  return Number(ceilDivide(parseQuantity(text).nano, 1_000_000n));
}

/** The canonical quantity of `milli` thousandths: `1500` → `1500m`. */
export function quantityOfMilli(milli: number | bigint, format: QuantityFormat = 'DecimalSI'): string {
  return formatQuantity({ nano: BigInt(milli) * 1_000_000n, format });
}

/** The canonical quantity of whole units: `quantityOf(1024, 'BinarySI')` → `1Ki`. */
export function quantityOf(value: number | bigint, format: QuantityFormat = 'DecimalSI'): string {
  return formatQuantity({ nano: BigInt(value) * NANO, format });
}
