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

/** Values are cut: a message must not carry a whole object. */
const VALUE_LIMIT = 1024;

/** A fault without its field, as a cause in a Status says it: `Invalid value: -1: must be greater than or equal to 0`. */
export function faultMessage({ type, value, detail }: FieldError): string {
  const shown = WITHOUT_VALUE.includes(type) ? '' : `: ${valueText(value)}`;
  return `${WORDS[type]}${shown}${detail ? `: ${detail}` : ''}`;
}

/** A fault as people read it: `spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export function faultText(fault: FieldError): string {
  return `${fault.field}: ${faultMessage(fault)}`;
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length > VALUE_LIMIT ? `${text.slice(0, VALUE_LIMIT)}...` : text;
}
