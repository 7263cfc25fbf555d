import type { FieldError, FieldErrorType } from '../kind.ts';

const WORDS: Record<FieldErrorType, string> = {
  Required: 'Required value',
  Invalid: 'Invalid value',
  Duplicate: 'Duplicate value',
  NotSupported: 'Unsupported value',
  Forbidden: 'Forbidden',
  TooLong: 'Too long',
  TooMany: 'Too many',
  NotFound: 'Not found',
  TypeInvalid: 'Invalid value',
};

/** Types whose message says nothing of the value. */
const WITHOUT_VALUE: readonly FieldErrorType[] = ['Required', 'Forbidden', 'TooLong'];

/** A fault as people read it: `spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export function faultText({ type, field, value, detail }: FieldError): string {
  const shown = WITHOUT_VALUE.includes(type) ? '' : `: ${JSON.stringify(value ?? null)}`;
  return `${field}: ${WORDS[type]}${shown}${detail ? `: ${detail}` : ''}`;
}
