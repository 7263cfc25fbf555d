import { sameJson } from '#machinery/values/same-json.ts';
import type { FieldError } from '../kind.ts';

/** As many are kept: a body of three megabytes can hold a million wrong elements. */
const MAX_FAULTS = 1_000;

/**
 * Collects what is wrong with an object, one fault per field and reason, in the order of checking. Wording follows
 * Kubernetes' field errors, since people and tools know them.
 */
export class Faults {
  readonly list: FieldError[] = [];

  add(fault: FieldError): void {
    if (this.list.length < MAX_FAULTS) this.list.push(fault);
  }

  required(field: string, detail = ''): void {
    this.add({ type: 'Required', field, detail });
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.add({ type: 'Invalid', field, value, detail });
  }

  /** One Invalid for each of `details`, as the name rules return them. */
  invalidFor(field: string, value: unknown, details: readonly string[]): void {
    for (const detail of details) this.invalid(field, value, detail);
  }

  forbidden(field: string, detail: string): void {
    this.add({ type: 'Forbidden', field, detail });
  }

  duplicate(field: string, value: unknown): void {
    this.add({ type: 'Duplicate', field, value, detail: '' });
  }

  notFound(field: string, value: unknown): void {
    this.add({ type: 'NotFound', field, value, detail: '' });
  }

  notSupported(field: string, value: unknown, supported: readonly string[]): void {
    const detail = `supported values: ${supported.map((word) => JSON.stringify(word)).join(', ')}`;
    this.add({ type: 'NotSupported', field, value, detail });
  }

  tooLong(field: string, maxBytes: number): void {
    this.add({ type: 'TooLong', field, value: '', detail: `may not be more than ${maxBytes} bytes` });
  }

  tooMany(field: string, count: number, max: number): void {
    this.add({ type: 'TooMany', field, value: count, detail: `must have at most ${max} items` });
  }

  /** Required when empty, NotSupported when none of `supported` (shown in the order given). */
  oneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (!value) this.required(field);
    else if (!supported.includes(value)) this.notSupported(field, value, supported);
  }

  notNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, NOT_NEGATIVE);
  }

  /** `from` and `to` are deeply equal, or Invalid with Kubernetes' words. */
  immutable(field: string, now: unknown, before: unknown, detail = 'field is immutable'): void {
    if (!sameData(now, before)) this.invalid(field, now, detail);
  }
}

export const NOT_NEGATIVE = 'must be greater than or equal to 0';

/** Whether two pieces of JSON say the same. Missing, null, empty lists and empty maps are alike, as in Kubernetes. */
export function sameData(a: unknown, b: unknown): boolean {
  return sameJson(a, b, isEmpty);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value !== 'object') return false;
  for (const _key in value) return false;
  return true;
}
